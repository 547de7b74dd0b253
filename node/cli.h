// The command line: one binary, one function per command. Results go to stdout, the rest to stderr;
// exit 0, 1 (failed) or 2 (usage).
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace weft::node {

// What a command's callback sets; `run_cli` returns it.
struct CliContext {
  int exit_code = 0;
};

// Parses and runs. Never throws.
int run_cli(int argc, char** argv);

// Each adds its subcommands, with their options, help and callbacks, to the app.
void add_model_commands(CLI::App& app, CliContext& context);  // run bench logits tokenize ... info
void add_trust_commands(CLI::App& app, CliContext& context);  // init invite join members revoke
void add_mesh_commands(CLI::App& app, CliContext& context);   // up status plan

// For an option's check(): why a text is no ADDR:PORT, which makes it a usage error; empty if it is
// one. What stands at ADDR is its user's to read.
std::string address_defect(const std::string& text);

// Runs a command's work: an error is printed as "weft: <message>" and makes the exit code 1.
void run_command(CliContext& context, const std::function<Result<>()>& work);

// Overwrites every argument of this process that is `text`, so that a secret given on the command
// line is not shown by `ps` for longer than its reading takes.
void wipe_argument(std::string_view text);

// True once Ctrl-C or a termination signal has come; commands that wait or compute look at it.
// `install_signal_handlers` is called once by run_cli. A second Ctrl-C ends the process at once.
bool interrupted();
// Forgets it: a chat that ended an answer at Ctrl-C goes on.
void clear_interrupt();
void install_signal_handlers();
// Readable once interrupted() is true, for poll; -1 before install_signal_handlers.
int interrupt_descriptor();

// $WEFT_DIR, else $XDG_DATA_HOME/weft, else ~/.local/share/weft: where `--dir` points by default.
std::string default_data_dir();
// The host's name as a first name for this node.
std::string default_node_name();

}  // namespace weft::node

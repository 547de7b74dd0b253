#include "node/cli.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "node/version.h"

namespace weft::node {
namespace {

int argument_count = 0;
char** arguments = nullptr;
std::atomic<bool> interrupt_seen{false};
std::atomic<int> interrupt_write_fd{-1};
int interrupt_read_fd = -1;

extern "C" void on_signal(int) {
  if (interrupt_seen.exchange(true)) _exit(130);  // the second one does not wait
  const char byte = 1;
  const int fd = interrupt_write_fd.load();
  if (fd >= 0 && ::write(fd, &byte, 1) < 0) {
    // The pipe is full: it is readable already, which is all that is needed.
  }
}

int parse_and_run(CLI::App& app, CliContext& context, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);  // prints help or the usage error
    return code == 0 ? 0 : 2;
  }
  return context.exit_code;
}

}  // namespace

void wipe_argument(std::string_view text) {
  for (int i = 1; i < argument_count; ++i) {
    if (text == arguments[i]) {
      crypto::wipe({reinterpret_cast<uint8_t*>(arguments[i]), text.size()});
    }
  }
}

std::string address_defect(const std::string& text) {
  const size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos
                        ? Result<uint64_t>(Error(ErrorCode::kInvalid, ""))
                        : parse_u64(std::string_view(text).substr(colon + 1));
  if (colon != 0 && port.ok() && *port <= 65535) return "";
  return cat("'", printable(text),
             "' is no address; write ADDR:PORT with a port up to 65535, as 127.0.0.1:7070");
}

bool interrupted() { return interrupt_seen.load(); }

void clear_interrupt() {
  char byte;
  while (interrupt_read_fd >= 0 && ::read(interrupt_read_fd, &byte, 1) > 0) continue;
  interrupt_seen = false;
}

int interrupt_descriptor() { return interrupt_read_fd; }

void install_signal_handlers() {
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) == 0) {
    interrupt_read_fd = pipe_fds[0];
    interrupt_write_fd = pipe_fds[1];
  }
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void run_command(CliContext& context, const std::function<Result<>()>& work) {
  const Result<> done = work();
  if (done.ok()) return;
  std::fprintf(stderr, "weft: %s\n", done.error().message.c_str());
  context.exit_code = done.error().code == ErrorCode::kCancelled && interrupted() ? 130 : 1;
}

std::string default_data_dir() {
  if (const char* dir = std::getenv("WEFT_DIR"); dir && *dir) return dir;
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) {
    return std::string(data) + "/weft";
  }
  const char* home = std::getenv("HOME");
  return std::string(home && *home ? home : ".") + "/.local/share/weft";
}

std::string default_node_name() {
  char name[64] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "node";
  return printable(name, 63);
}

int run_cli(int argc, char** argv) {
  argument_count = argc;
  arguments = argv;
  install_signal_handlers();
  CLI::App app{"weft: the devices of a home as one machine that runs a language model"};
  app.name("weft");
  app.set_version_flag("--version", std::string("weft ") + kVersion);
  app.require_subcommand(1);
  app.fallthrough();
  std::string log_level = "info";
  app.add_option("--log", log_level, "debug, info, warn, error or off (on stderr)")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->each([](const std::string& name) { set_log_level(*parse_log_level(name)); });
  app.footer("Start: `weft up` on one device, `weft invite` there, `weft join CODE` and `weft up` "
             "on the others.\n`weft COMMAND --help` tells more of each.");
  CliContext context;
  if (const Result<> ready = crypto::initialize(); !ready.ok()) {
    std::fprintf(stderr, "weft: %s\n", ready.error().message.c_str());
    return 1;
  }
  add_mesh_commands(app, context);
  add_trust_commands(app, context);
  add_model_commands(app, context);
  return parse_and_run(app, context, argc, argv);
}

}  // namespace weft::node

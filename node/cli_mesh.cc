// weft up, status, plan: the running node and what it sees.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "node/adapters.h"
#include "node/api_key.h"
#include "node/backend_choice.h"
#include "node/cli.h"
#include "node/command_plan.h"
#include "node/http_client.h"
#include "node/http_guard.h"
#include "node/http_server.h"
#include "node/mesh_report.h"
#include "node/node.h"
#include "node/trust_folder.h"

namespace weft::node {
namespace {

struct UpOptions {
  NodeOptions node;
  std::string name = default_node_name();
  std::string http = "127.0.0.1:7070";
  std::string memory, vulkan_memory;
  std::string objective = "latency";
  std::string kv = "f16";
  std::string api_key_file;
  std::vector<std::string> allowed_hosts;
  bool yes = false;
};
struct StatusOptions {
  std::string dir = default_data_dir();
  std::string http;
  std::string api_key_file;
  std::string model;
  bool json = false;
  bool ready = false;
};

// As address_defect, for where HTTP is to listen.
std::string listen_defect(const std::string& text) {
  const auto address = parse_listen_address(text);
  return address.ok() ? "" : address.error().message;
}

// A device without a mesh: makes one if the owner agrees.
Result<> ensure_mesh(const UpOptions& options) {
  WEFT_TRY(crypto::TrustStore store, open_trust(options.node.dir));
  WEFT_TRY(const bool in_mesh, store.in_mesh());
  if (in_mesh) return {};
  bool agreed = options.yes;
  if (!agreed && isatty(STDIN_FILENO)) {
    std::fprintf(stderr, "This device is in no mesh yet. Make a new one here? (To join another "
                         "device's mesh, answer n and use `weft join CODE`.) [Y/n] ");
    std::string line;
    std::getline(std::cin, line);
    agreed = line.empty() || line[0] == 'y' || line[0] == 'Y';
  }
  if (!agreed) {
    return Error(ErrorCode::kNotFound,
                 "this device is in no mesh: `weft join CODE` joins another device's, `weft init` "
                 "(or `weft up --yes`) makes a new one");
  }
  WEFT_TRY(crypto::NewMesh mesh, store.create_mesh(options.name, SystemClock().unix_seconds()));
  std::fprintf(stderr, "A new mesh. Recovery code, shown once; keep it on paper:\n\n  %s\n\n",
               mesh.recovery_code.c_str());
  crypto::wipe(mesh.recovery_code);
  return {};
}

// `<dir>/http.addr`, by which the other commands find the running node; gone when it ends.
class AddressFile {
 public:
  AddressFile(const std::string& dir, const std::string& address) : path_(dir + "/http.addr") {
    written_ = write_file_atomic(path_, as_bytes(address + "\n"), 0600);
  }
  ~AddressFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  AddressFile(const AddressFile&) = delete;
  AddressFile& operator=(const AddressFile&) = delete;
  const Result<>& written() const { return written_; }

 private:
  std::string path_;
  Result<> written_;
};

Result<> run_up(UpOptions& options) {
  if (!options.memory.empty()) {
    WEFT_TRY(options.node.memory_bytes, parse_bytes(options.memory));
  }
  if (!options.vulkan_memory.empty()) {
    WEFT_TRY(options.node.vulkan_memory_bytes, parse_bytes(options.vulkan_memory));
  }
  WEFT_TRY(options.node.kv_type, parse_kv_type(options.kv));
  if (options.objective == "throughput") {
    options.node.objective = partition::Objective::kThroughput;
  }
  HttpOptions http;
  http.address = options.http;
  http.allowed_hosts = options.allowed_hosts;
  if (!options.api_key_file.empty()) {
    WEFT_TRY(http.api_key, read_api_key(options.api_key_file));
  }
  WEFT_CHECK(check_http_options(http));  // before anything is made, measured or announced
  WEFT_CHECK(ensure_mesh(options));
  WEFT_TRY(const auto node, Node::start(options.node));
  WEFT_TRY(const auto server, HttpServer::start(http, *node));
  WEFT_TRY(const ListenAddress listen, parse_listen_address(options.http));
  const std::string near = near_address(listen, server->port());
  const AddressFile address(options.node.dir, near);
  WEFT_CHECK(address.written());
  std::fprintf(stderr, "weft: '%s' is up; the page and the API: http://%s/  (Ctrl-C ends it)\n",
               node->name().c_str(), near.c_str());
  while (!interrupted()) {
    const int signal[] = {interrupt_descriptor()};
    wait_readable(signal, milliseconds(500));
    if (const std::string failure = node->failure(); !failure.empty()) {
      return Error(ErrorCode::kUnavailable, failure);
    }
  }
  log_info("node.stop");
  return {};
}

Result<HttpClient> client_of(const StatusOptions& options) {
  WEFT_TRY(HttpClient client, HttpClient::to_node(options.dir, options.http, interrupted));
  WEFT_CHECK(client.use_api_key_file(options.api_key_file));
  return client;
}

Result<> run_status(const StatusOptions& options) {
  WEFT_TRY(const HttpClient client, client_of(options));
  if (options.ready) {
    WEFT_TRY(const HttpReply health, client.get("/health"));
    if (health.status != 200) return reply_error(health);
  }
  WEFT_TRY(nlohmann::ordered_json mesh, client.get_json("/api/mesh"));
  mesh["vulkan_devices"] = vulkan_devices_json();
  std::cout << (options.json ? mesh.dump() + "\n" : status_text(mesh));
  return {};
}

Result<> run_plan(const StatusOptions& options) {
  WEFT_TRY(const HttpClient client, client_of(options));
  WEFT_TRY(const std::string report, plan_report(client, options.model, options.json));
  std::cout << report;
  return {};
}

void add_status_commands(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<StatusOptions>();
  auto* status = app.add_subcommand("status", "the mesh as this node sees it");
  auto* plan = app.add_subcommand("plan", "how the model is split, how fast it should be, and why");
  for (CLI::App* command : {status, plan}) {
    command->add_option("--dir", options->dir, "the running node's folder")->capture_default_str();
    command->add_option("--http", options->http, "its ADDR:PORT, if not the one in the folder")
        ->check(address_defect);
    command->add_option("--api-key-file", options->api_key_file, "the key that the node wants");
    command->add_flag("--json", options->json, "one JSON object on stdout");
  }
  status->add_flag("--ready", options->ready, "fail unless the mesh can answer now");
  plan->add_option("model", options->model, "a model's name or file; default: the one served");
  status->callback(
      [&context, options] { run_command(context, [&] { return run_status(*options); }); });
  plan->callback([&context, options] { run_command(context, [&] { return run_plan(*options); }); });
}

}  // namespace

void add_mesh_commands(CLI::App& app, CliContext& context) {
  const auto options = std::make_shared<UpOptions>();
  UpOptions& up = *options;
  up.node.dir = default_data_dir();
  auto* command = app.add_subcommand("up", "run this device as a node of its mesh");
  command->add_option("--dir", up.node.dir, "where this device's keys and state are")
      ->capture_default_str();
  command->add_option("--name", up.name, "its name, if a mesh is made now")->capture_default_str();
  command->add_option("--http", up.http, "the API and the page")
      ->capture_default_str()->check(listen_defect);
  command->add_option("--mesh", up.node.mesh_address, "where other members reach this node")
      ->capture_default_str()->check(address_defect);
  command->add_option("--model-dir", up.node.model_dirs, "a folder with .gguf files (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--model", up.node.model, "the model to serve; default: the first offered");
  command->add_option("--interface", up.node.interfaces,
                      "network interface for mDNS (repeatable; default: every suitable one)")
      ->allow_extra_args(false);
  command->add_option("--seed-peer", up.node.seed_peers,
                      "ADDR:PORT of a member, for networks without multicast (repeatable)")
      ->allow_extra_args(false)->check(address_defect);
  add_backend_options(command, up.node.backend);
  add_lora_option(command, up.node.lora);
  command->add_option("--memory", up.memory, "most memory for a model, as 2G; default: measured");
  command->add_option("--vulkan-memory", up.vulkan_memory,
                      "most of a Vulkan device's memory; the processor takes the other layers");
  command->add_option("--kv-tokens", up.node.kv_tokens, "KV cache, in tokens over all streams")
      ->capture_default_str()->check(CLI::Range(32u, 1u << 24));
  command->add_option("--kv", up.kv, "type of the KV cache; q8_0 takes half of f16")
      ->capture_default_str()->check(CLI::IsMember({"f16", "f32", "q8_0"}));
  command->add_option("--step-rows", up.node.step_rows,
                      "most rows of prompts that are computed in one step")
      ->capture_default_str()->check(CLI::Range(1u, 4096u));
  command->add_option("--objective", up.objective, "plan for one user's latency or many users")
      ->capture_default_str()->check(CLI::IsMember({"latency", "throughput"}));
  command->add_option("--min-nodes", up.node.min_nodes,
                      "spread a model over at least so many nodes")
      ->capture_default_str()->check(CLI::Range(1, 64));
  command->add_option("--trace", up.node.trace,
                      "write where each step's time goes, as Chrome trace events");
  command->add_flag("!--no-mdns", up.node.mdns, "do not use multicast at all");
  command->add_option("--api-key-file", up.api_key_file,
                      "a file with the key clients must send; needed beyond loopback");
  command->add_option("--allow-host", up.allowed_hosts,
                      "a further host name that the API answers to (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--yes", up.yes, "make a new mesh without asking, if there is none");
  command->callback([&context, options] {
    run_command(context, [&] { return run_up(*options); });
  });
  add_status_commands(app, context);
}

}  // namespace weft::node

// A node's start and its end: what it opens, measures and wires together.
#include <sys/eventfd.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "node/node.h"
#include "node/profile.h"
#include "node/trust_folder.h"
#include "node/version.h"
#include "partition/planner.h"

namespace weft::node {
namespace {

constexpr size_t kReportsMax = 16384;

}  // namespace

Node::Node(NodeOptions options)
    : options_(std::move(options)), peers_(options_.seed_peers), tasks_(kTasksMax),
      reports_(kReportsMax), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<std::unique_ptr<Node>> Node::start(NodeOptions options) {
  std::unique_ptr<Node> node(new Node(std::move(options)));
  WEFT_CHECK(node->open());
  return node;
}

Result<> Node::open() {
  WEFT_TRY(folder_lock_, crypto::DataFolderLock::take(options_.dir));
  WEFT_TRY(trust_, open_trust(options_.dir));
  trust_watch_.emplace(*trust_);
  WEFT_TRY(identity_, trust_->identity());
  WEFT_TRY(membership_, trust_->load());
  WEFT_CHECK(membership_->self.check_dates(clock_.unix_seconds()));
  id_ = membership_->self.member_id();
  name_ = membership_->self.name();
  WEFT_TRY(store_, ModelStore::open(options_.dir + "/models"));
  WEFT_TRY(adapter_files_, open_adapters(options_.lora));
  ComputeBackends backends;
  WEFT_TRY(backends.device, open_backend());
  const uint64_t own = backends.device->memory_bytes();
  backends.device_bytes = options_.vulkan_memory_bytes > 0 ? options_.vulkan_memory_bytes : own;
  if (backends.device->name() == "vulkan" && backends.device_bytes > 0) {
    WEFT_TRY(backends.processor, on_processor());
  }
  WEFT_TRY(transport::Profile profile, measure(backends));
  profile.adapters = adapters_digest(adapter_files_);
  if (!options_.trace.empty()) {
    WEFT_TRY(trace_, Trace::open(options_.trace));
    trace_->name_process(name_);
  }
  WEFT_CHECK(open_network());
  start_machine(std::move(profile));
  worker_ = std::make_unique<Worker>();
  const bool on_gpu = backends.device->name() == "vulkan";
  compute_ = std::make_unique<SliceCompute>(std::move(backends), compute_calls(on_gpu),
                                            trace_.get());
  loader_ = std::make_unique<Loader>(*machine_, *store_, *compute_, *worker_,
                                     [this](Task task) { report(std::move(task)); },
                                     adapter_files_);
  log_info("node.start", {{"name", name_}, {"id", short_string(id_)}, {"mesh_port", mesh_port_},
                          {"backend", profile_.backend},
                          {"memory", format_bytes(profile_.memory_bytes)}});
  thread_ = std::thread([this] { run(); });
  return {};
}

Result<std::unique_ptr<kernels::Backend>> Node::open_backend() {
  auto backend = make_backend(options_.backend);
  if (backend.ok() || options_.backend.name != "vulkan") return backend;
  const ErrorCode code = backend.error().code;
  // One that is not there is the user's mistake.
  if (code == ErrorCode::kNotFound || code == ErrorCode::kUnsupported) return backend;
  log_error("backend.failed", {{"error", backend.error().message}, {"instead", "cpu"}});
  return on_processor();
}

Result<std::unique_ptr<kernels::Backend>> Node::on_processor() const {
  BackendChoice choice = options_.backend;
  choice.name = "cpu";
  return make_backend(choice);
}

Result<transport::Profile> Node::measure(kernels::Backend& backend) const {
  WEFT_TRY(transport::Profile profile,
           measure_profile(backend, {options_.memory_bytes, {model::TensorType::kF16}}));
  // The mesh plans with what a model takes by itself.
  profile.memory_bytes -= std::min(profile.memory_bytes, adapter_memory(adapter_files_));
  return profile;
}

Result<transport::Profile> Node::measure(const ComputeBackends& backends) const {
  WEFT_TRY(transport::Profile profile, measure(*backends.device));
  if (!backends.processor) return profile;
  WEFT_TRY(transport::Profile beside, measure(*backends.processor));
  if (options_.memory_bytes == 0) {
    profile.memory_bytes = backends.device_bytes + beside.memory_bytes;
  }
  profile.fast_memory_bytes = std::min(backends.device_bytes, profile.memory_bytes);
  profile.slow_speeds = std::move(beside.speeds);
  return profile;
}

// On the compute thread: the mesh should plan with what this device can do now.
void Node::backend_changed(kernels::Backend& backend) {
  auto measured = measure(backend);
  if (!measured.ok()) {
    log_error("backend.measure", {{"error", measured.error().message}});
    return;
  }
  report([this, profile = *std::move(measured)](Time now) {
    profile_.backend = profile.backend;
    profile_.memory_bytes = profile.memory_bytes;
    profile_.speeds = profile.speeds;
    profile_.fast_memory_bytes = 0;
    profile_.slow_speeds.clear();
    profile_.layer_overhead_s = profile.layer_overhead_s;
    machine_->set_profile(profile_, now);
  });
}

Result<> Node::open_network() {
  transport::LinksOptions links;
  links.self = id_;
  links.keys = &identity_->curve();
  links.listen = options_.mesh_address;
  links.member_of = [this](const crypto::CurveKey& key) -> std::optional<NodeId> {
    const auto member = membership_->roster.admit(key, clock_.unix_seconds());
    if (!member.ok()) return std::nullopt;
    return (*member)->member_id();
  };
  WEFT_TRY(links_, transport::Links::open(std::move(links)));
  mesh_port_ = links_->port();
  if (!options_.mdns) return {};
  const Time now = clock_.now();
  discovery::MdnsOptions mdns;
  mdns.interfaces = options_.interfaces;
  auto opened = discovery::Mdns::open(mdns, now);
  if (!opened.ok()) {
    // A named interface that is not there is the user's mistake; a machine without multicast still
    // has its seed peers.
    if (!options_.interfaces.empty()) return std::move(opened).error();
    log_warn("mdns.off", {{"error", opened.error().message}});
    return {};
  }
  mdns_ = std::move(*opened);
  WEFT_CHECK(mdns_->publish({name_, mesh_port_, {{"id", to_string(id_)}, {"v", kVersion}}}, now));
  mdns_->browse(now);
  return {};
}

void Node::start_machine(transport::Profile profile) {
  mesh::MachineConfig config;
  config.self = id_;
  config.name = name_;
  config.version = kVersion;
  config.incarnation = crypto::random_u64() | 1;
  config.listen_port = mesh_port_;
  config.session_seed = crypto::random_u64();
  config.model_name = options_.model;
  config.objective = options_.objective;
  config.min_nodes = options_.min_nodes;
  config.kv_tokens = options_.kv_tokens;
  config.kv_type = options_.kv_type;
  config.step_row_budget = options_.step_rows;
  config.plan = [](const partition::PlanRequest& request) { return partition::plan(request); };
  machine_ = std::make_unique<mesh::Machine>(std::move(config), clock_.now());
  profile_ = std::move(profile);
}

Node::~Node() {
  stopping_ = true;
  if (wake_.valid()) eventfd_write(wake_.get(), 1);
  if (thread_.joinable()) thread_.join();
  compute_.reset();
  worker_.reset();
}

ComputeCalls Node::compute_calls(bool on_gpu) {
  ComputeCalls calls;
  calls.progress = [this](SliceProgress progress) {
    report([this, progress](Time now) { loader_->on(progress, now); });
  };
  calls.loaded = [this](SliceLoaded loaded) {
    report([this, loaded](Time now) { loader_->on(loaded, now); });
  };
  calls.done = [this](BatchDone done) { finish_batch(std::move(done)); };
  calls.nearly_done = [this](uint64_t job) { announce_results(job); };
  calls.released = [this](SessionReleased released) {
    // At once, as batches are: else an older number could come after a newer one.
    std::lock_guard lock(turn_);
    if (!stopping_) machine_->on_released(released.epoch, released.kv_free_tokens);
  };
  if (on_gpu) {
    calls.fallback = [this] { return on_processor(); };
    calls.changed = [this](kernels::Backend& backend) { backend_changed(backend); };
  }
  calls.rest = [this](int commands) { return rest(commands); };
  return calls;
}

}  // namespace weft::node

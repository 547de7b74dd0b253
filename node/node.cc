// A node's start, its loop and its end. What effects do is in node_effects.cc, what callers ask in
// node_service.cc.
#include "node/node.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/random.h"
#include "node/profile.h"
#include "node/trust_folder.h"
#include "node/version.h"
#include "partition/planner.h"

namespace weft::node {
namespace {

constexpr size_t kTasksMax = 256;
constexpr size_t kReportsMax = 16384;
constexpr Duration kTick = milliseconds(50);
// Not at every turn: a step of a stream is several turns, and each is part of its time.
constexpr Duration kHouseEvery = milliseconds(10);
constexpr Duration kRescanEvery = seconds(10);
constexpr Duration kVocabularyEvery = seconds(5);
constexpr Duration kRest = seconds(1);
constexpr Duration kGoodbyeTime = milliseconds(300);

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

void Node::report(Task task) {
  WEFT_ASSERT(reports_.try_push(std::move(task)) || stopping_);
  eventfd_write(wake_.get(), 1);
}

bool Node::post(Task task) {
  if (stopping_ || !tasks_.try_push(std::move(task))) return false;
  eventfd_write(wake_.get(), 1);
  return true;
}

// ---- the mesh thread ----

void Node::run() {
  std::unique_lock lock(turn_);
  take_roster(clock_.now());
  rescan_models();
  while (!stopping_) {
    if (mdns_) {
      for (const int fd : mdns_->fds()) mesh_wait_.add(fd);
    }
    const Time before = clock_.now();
    Time deadline = before + kTick;
    if (mdns_) deadline = std::min(deadline, mdns_->tick(before));
    if (links_->is_behind()) deadline = before;
    lock.unlock();
    mesh_wait_.wait(deadline - before);
    eventfd_t ignored;
    eventfd_read(wake_.get(), &ignored);
    lock.lock();
    const Time now = clock_.now();
    links_->serve(now);
    run_tasks(now);
    carry_out_effects(now);
    read_network(now);
    carry_out_effects(now);
    if (mdns_) read_discovery(now);
    if (now >= next_house_) keep_house(now);
    tell_readers(now);
  }
  say_goodbye();
}

// What no step waits for.
void Node::keep_house(Time now) {
  next_house_ = now + kHouseEvery;
  if (now >= next_second_) every_second(now);
  dial_peers(now);
  machine_->on_tick(now);
  carry_out_effects(now);
  publish_view(now);
}

// On the compute thread. While it has nothing to compute it takes messages in as well, so that rows
// begin at once: to wake it after another thread had read them would cost every hop. True: rows are
// about to come.
bool Node::rest(int commands) {
  bool attentive = false;
  {
    std::lock_guard lock(turn_);
    attentive = !stopping_ && clock_.now() < attentive_until_;
  }
  if (!attentive) {
    wait_readable({&commands, 1}, kRest);
    return false;
  }
  compute_wait_.add(commands);
  compute_wait_.wait(kTick);
  bool announced = false;
  {
    std::lock_guard lock(turn_);
    if (!stopping_) {
      links_->receive();
      announced = links_->take_announced();
      const Time now = clock_.now();
      read_network(now);
      carry_out_effects(now);
      wake_for_readers();
      if (links_->is_behind()) eventfd_write(wake_.get(), 1);
    }
  }
  return announced;
}

// Messages are the compute thread's while it waits for them, else the mesh thread's.
void Node::watch_inbox() {
  for (Waiter* wait : {&compute_wait_, &mesh_wait_}) wait->add_shared(links_->inbox());
  for (const int fd : {wake_.get(), links_->door()}) mesh_wait_.add(fd);
}

void Node::run_tasks(Time now) {
  while (auto report = reports_.try_pop()) (*report)(now);
  for (size_t i = 0; i < kTasksMax; ++i) {
    auto task = tasks_.try_pop();
    if (!task) break;
    (*task)(now);
  }
}

void Node::read_network(Time now) {
  for (const transport::LinkEvent& event : links_->take_events()) {
    if (event.state == transport::LinkState::kUp) {
      peers_.on_up(event.peer);
      log_info("link.up", {{"peer", short_string(event.peer)}});
      machine_->on_link_up(event.peer, now);
      machine_->set_known_addresses(peers_.known(), now);
    } else if (event.state == transport::LinkState::kDown) {
      peers_.on_down(event.peer, now);
      log_info("link.down", {{"peer", short_string(event.peer)}});
      machine_->on_link_down(event.peer, now);
    } else {
      log_debug("link.refused", {{"peer", short_string(event.peer)}});
    }
  }
  for (transport::ReceivedMessage& received : links_->take_messages()) {
    if (const auto* hello = std::get_if<transport::Hello>(&received.message)) {
      if (hello->listen_port != 0) {
        peers_.learn(received.from, join_address(received.address, hello->listen_port));
      }
    }
    if (trace_) trace_->add_message(TraceEvent::What::kReceived, received.message, now);
    machine_->on_message(received.from, std::move(received.message), now);
  }
}

void Node::read_discovery(Time now) {
  mdns_->on_readable(now);
  for (const discovery::DiscoveryEvent& event : mdns_->take_events()) {
    if (event.kind == discovery::DiscoveryEvent::Kind::kLost) continue;
    const auto text = event.service.txt.find("id");
    NodeId node;
    if (text == event.service.txt.end() ||
        !parse_hex(text->second, node.bytes.data(), node.bytes.size()).ok() ||
        !membership_->roster.find(node) || node == id_) {
      continue;  // not a member of this mesh: nothing to dial
    }
    for (const std::string& address : event.service.addresses) {
      peers_.learn(node, join_address(address, event.service.port));
    }
  }
}

void Node::every_second(Time now) {
  next_second_ = now + seconds(1);
  trust_watch_->tick(membership_->holds_authority, now, clock_.unix_seconds());
  {
    std::lock_guard lock(mutex_);
    alarm_ = trust_watch_->alarm();
  }
  const auto stored = trust_->stored_epoch();
  if (stored.ok() && *stored > membership_->roster.epoch()) {
    auto loaded = trust_->load();
    if (loaded.ok()) {
      membership_ = std::move(*loaded);
      take_roster(now);
      spread_roster();
    } else if (loaded.error().code == ErrorCode::kDenied) {
      std::lock_guard lock(mutex_);
      failure_ = loaded.error().message;
    }
  }
  if (now >= next_vocabulary_) {
    next_vocabulary_ = now + kVocabularyEvery;
    fetch_vocabulary(now);
  }
  if (now >= next_rescan_) {
    next_rescan_ = now + kRescanEvery;
    rescan_models();
  }
}

void Node::dial_peers(Time now) {
  for (const crypto::Certificate& member : membership_->roster.members()) {
    if (member.member_id() == id_ || links_->is_up(member.member_id())) continue;
    const auto address = peers_.next_address(member.member_id(), now);
    if (!address) continue;
    const auto dialled = links_->dial(member.member_id(), member.curve(), *address);
    if (!dialled.ok()) log_warn("link.dial", {{"error", dialled.error().message}});
  }
}

// Looks for new or changed files on the worker; a change becomes a new profile.
void Node::rescan_models() {
  (void)worker_->post([this] {
    const auto changed = store_->scan(
        options_.model_dirs, [this](const std::string& path, uint64_t done, uint64_t total) {
          log_debug("store.hash", {{"file", path}, {"done", done}, {"total", total}});
          return !stopping_.load();
        });
    if (!changed.ok()) log_warn("store.scan", {{"error", changed.error().message}});
    auto offers = std::make_shared<std::vector<transport::ModelOffer>>(store_->offers());
    report([this, offers](Time now) {
      if (profile_.incarnation != 0 && offers->size() == profile_.offers.size() &&
          std::equal(offers->begin(), offers->end(), profile_.offers.begin(),
                     [](const auto& a, const auto& b) {
                       return a.model == b.model && a.manifest == b.manifest && a.name == b.name;
                     })) {
        return;
      }
      profile_.incarnation = 1;  // set once; the machine fills in its own
      profile_.offers = *offers;
      machine_->set_profile(profile_, now);
    });
  });
}

void Node::say_goodbye() {
  const Time now = clock_.now();
  machine_->leave(now);
  carry_out_effects(now);
  tell_readers(now);
  if (mdns_) mdns_->withdraw(now);
  // The last beats leave through libzmq's own thread; a short wait lets them.
  wait_readable({}, kGoodbyeTime);
  for (auto& [session, queue] : streams_) queue->items.close();
  streams_.clear();
}

std::string Node::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace weft::node

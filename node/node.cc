// What a running node's threads do in turn. Its start is in node_start.cc, what effects do in
// node_effects.cc, what callers ask in node_service.cc.
#include "node/node.h"

#include <sys/eventfd.h>

#include "base/log.h"
#include "base/text.h"

namespace weft::node {
namespace {

constexpr Duration kTick = milliseconds(50);
// Not at every turn: a step of a stream is several turns, and each is part of its time.
constexpr Duration kHouseEvery = milliseconds(10);
constexpr Duration kRescanEvery = seconds(10);
constexpr Duration kVocabularyEvery = seconds(5);
constexpr Duration kRest = seconds(1);
constexpr Duration kGoodbyeTime = milliseconds(300);

}  // namespace

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

// A mesh in memory: real machines, virtual time, a network with delay, loss, reordering and
// partitions drawn from a seed, and a fake model whose answer any mistake changes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/text.h"
#include "mesh/machine.h"
#include "tests/mesh/fake_compute.h"

namespace weft::mesh::test {

inline NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes.fill(number);
  return id;
}
inline ModelId model_id(uint8_t number) {
  ModelId id;
  id.bytes.fill(number);
  return id;
}

inline constexpr uint64_t kLayerBytes = 1'000'000;
inline constexpr uint64_t kSpareBytes = 500'000;  // for the KV cache and scratch of two slices

inline transport::ModelOffer make_offer(uint8_t number = 1, std::string name = "tiny") {
  transport::ModelOffer offer;
  offer.model = model_id(number);
  offer.name = std::move(name);
  offer.hidden_dim = kHiddenDim;
  offer.vocab_size = kVocab;
  offer.context_length = kContext;
  offer.kv_bytes_per_token_layer = 1;
  offer.layers.assign(kLayers, {kLayerBytes, 1000, 0});
  return offer;
}

inline transport::Profile make_profile(uint32_t layers_that_fit, bool holder) {
  transport::Profile profile;
  profile.backend = "fake";
  profile.memory_bytes = uint64_t{layers_that_fit} * kLayerBytes + kSpareBytes;
  if (holder) profile.offers.push_back(make_offer());
  return profile;
}

// Even shares over the fewest nodes that hold the model (and at least min_nodes), lowest ids first.
inline Result<partition::Plan> fake_plan(const partition::PlanRequest& request) {
  const size_t layers = request.model.layers.size();
  if (request.nodes.size() < request.min_nodes) {
    return Error(ErrorCode::kUnavailable,
                 cat("needs ", request.min_nodes, " nodes, there are ", request.nodes.size()));
  }
  for (size_t count = std::max<size_t>(1, request.min_nodes); count <= request.nodes.size();
       ++count) {
    partition::Plan plan;
    uint32_t next = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t share = uint32_t(layers * (i + 1) / count) - next;
      if (share * kLayerBytes > request.nodes[i].memory_bytes) break;
      plan.stages.push_back(
          {request.nodes[i].node, next, next + share, 0.001, 0.001, share * kLayerBytes});
      next += share;
    }
    if (next < layers) continue;
    plan.decode_tps = plan.throughput_tps = plan.prefill_tps = 120.0 / double(count);
    return plan;
  }
  return Error(ErrorCode::kUnavailable,
               cat("the model fits nowhere on ", request.nodes.size(), " nodes"));
}

// What fake_plan says of a plan with these stages.
inline Result<partition::Plan> fake_evaluate(const partition::PlanRequest&,
                                             const std::vector<partition::Stage>& stages) {
  partition::Plan plan;
  plan.stages = stages;
  plan.decode_tps = plan.throughput_tps = plan.prefill_tps = 120.0 / double(stages.size());
  return plan;
}

struct Stream {
  GenerateRequest request;
  std::vector<TokenId> answer;
  std::optional<Result<FinishReason>> result;
  Usage usage;
  std::vector<float> embedding;
  Time opened, ended;
  bool after_end = false;  // a token after its end
  bool out_of_order = false;
};

struct NetworkFaults {
  double loss = 0, duplicate = 0, reorder = 0;
  Duration delay = milliseconds(1);
  Duration jitter = microseconds(200);
};

class Mesh {
 public:
  explicit Mesh(uint64_t seed = 1) : random(seed) {}

  struct Node {
    NodeId id;
    std::unique_ptr<Machine> machine;
    FakeCompute compute;
    Time compute_free;  // when the compute thread is done with what it has
    std::map<SessionId, Stream> streams;
    std::vector<Effect> others;  // effects that the harness does not carry out itself
    std::function<Result<>(const LoadSlice&)> on_load;  // empty: loads
    int loads = 0;
    int loads_beside = 0;  // of these, with another plan's layers serving on
  };

  MachineConfig config;  // of nodes started from now on
  NetworkFaults faults;
  Random random;
  Time now{1'000'000'000};
  Duration batch_time = milliseconds(2), row_time = microseconds(10);
  Duration load_time = milliseconds(300);
  std::function<bool(const Send&, NodeId)> drop;  // true: this message is lost

  // Starts (or restarts) a node; links to all others come up.
  Machine& start(uint8_t number, transport::Profile profile) {
    const NodeId id = node_id(number);
    Node& node = nodes[id];
    node = Node{};
    node.id = id;
    MachineConfig own = config;
    own.self = id;
    own.name = cat("node", int(number));
    own.incarnation = ++incarnations_;
    own.session_seed = random.next();
    if (!own.plan) {
      own.plan = fake_plan;
      own.evaluate = fake_evaluate;
    }
    node.machine = std::make_unique<Machine>(std::move(own), now);
    ++lives_[id];
    roster_.insert(id);
    for (auto& [other, peer] : nodes) {
      if (peer.machine) tell_members(*peer.machine);
    }
    node.machine->set_profile(std::move(profile), now);
    for (auto& [other, peer] : nodes) {
      if (other == id || !peer.machine) continue;
      link_up(id, other);
    }
    carry_out(node);
    return *node.machine;
  }
  // The process is gone. `noticed`: the operating system breaks its links at once.
  void kill(uint8_t number, bool noticed = true) {
    const NodeId id = node_id(number);
    nodes.at(id).machine.reset();
    ++lives_[id];
    paused_.erase(id);
    waiting_.erase(id);
    if (!noticed) return;
    for (auto& [other, peer] : nodes) {
      if (peer.machine) link_down_at(other, id);
    }
  }
  // The process stands still (SIGSTOP, a closed lid): what arrives meanwhile waits in the network.
  void pause(uint8_t number) { paused_.insert(node_id(number)); }
  bool paused(uint8_t number) const { return paused_.contains(node_id(number)); }
  void resume(uint8_t number) {
    const NodeId id = node_id(number);
    paused_.erase(id);
    for (auto& act : std::exchange(waiting_[id], {})) act();
  }
  // Messages between the two sides are lost; no link breaks.
  void cut(std::set<uint8_t> side) {
    cut_.clear();
    for (const uint8_t number : side) cut_.insert(node_id(number));
  }
  void heal() { cut_.clear(); }

  Node& at(uint8_t number) { return nodes.at(node_id(number)); }
  Machine& machine(uint8_t number) { return *at(number).machine; }
  View view(uint8_t number) { return machine(number).view(now); }

  Result<SessionId> open(uint8_t number, const GenerateRequest& request) {
    Node& node = at(number);
    Result<SessionId> id = node.machine->open(request, now);
    if (id.ok()) {
      Stream& stream = node.streams[*id];
      stream.request = request;
      stream.opened = now;
    }
    carry_out(node);
    return id;
  }
  Stream& stream(uint8_t number, SessionId id) { return at(number).streams.at(id); }

  // Calls a machine from outside, then carries its effects out.
  void with(uint8_t number, const std::function<void(Machine&)>& act) {
    act(machine(number));
    carry_out(at(number));
  }

  void run_for(Duration duration) {
    const Time end = now + duration;
    while (true) {
      const Time next_tick{(now.ns / kTick + 1) * kTick};
      const Time next = events_.empty() ? next_tick : std::min(next_tick, events_.top().at);
      if (next > end) break;
      now = next;
      while (!events_.empty() && events_.top().at <= now) {
        const auto act = events_.top().act;
        events_.pop();
        act();
      }
      if (now.ns % kTick != 0) continue;
      for (auto& [id, node] : nodes) {
        if (!node.machine || paused_.contains(id)) continue;
        node.machine->on_tick(now);
        carry_out(node);
      }
    }
    now = end;
  }
  // Runs until it holds; false if it does not within `limit`.
  bool run_until(const std::function<bool()>& holds, Duration limit = seconds(30)) {
    const Time end = now + limit;
    while (now < end) {
      if (holds()) return true;
      run_for(milliseconds(10));
    }
    return holds();
  }
  bool run_until_active(uint8_t number, Duration limit = seconds(30)) {
    return run_until([&] { return view(number).has_plan && view(number).plan.active; }, limit);
  }
  // Every running node serves the same plan.
  bool all_active() {
    std::set<Epoch> epochs;
    for (auto& [id, node] : nodes) {
      if (!node.machine) continue;
      const View seen = node.machine->view(now);
      if (!seen.has_plan || !seen.plan.active) return false;
      epochs.insert(seen.plan.epoch);
    }
    return epochs.size() == 1;
  }

  // Opens, runs to the end, gives the stream.
  Stream ask(uint8_t number, const GenerateRequest& request, Duration limit = seconds(60)) {
    const Result<SessionId> id = open(number, request);
    if (!id.ok()) {
      Stream refused;
      refused.result = id.error();
      return refused;
    }
    run_until([&] { return stream(number, *id).result.has_value(); }, limit);
    return stream(number, *id);
  }

  // What must never happen, in words; empty if it did not.
  std::vector<std::string> defects() {
    std::vector<std::string> list;
    for (auto& [id, node] : nodes) {
      for (const std::string& text : node.compute.violations()) list.push_back(text);
      for (auto& [session, stream] : node.streams) {
        if (stream.after_end) list.push_back("an event after a stream's end");
        if (stream.out_of_order) list.push_back("tokens out of order");
        const std::vector<TokenId> right = expected_answer(stream.request);
        const bool prefix = stream.answer.size() <= right.size() &&
                            std::equal(stream.answer.begin(), stream.answer.end(), right.begin());
        if (!prefix) list.push_back("a wrong token");
        const bool done = stream.result && stream.result->ok();
        if (done && stream.answer.size() != right.size()) list.push_back("an answer cut short");
        const bool pooled = stream.request.pooling != transport::Pooling::kNone;
        if (done && pooled && stream.embedding != expected_embedding(stream.request)) {
          list.push_back("a wrong embedding");
        }
      }
    }
    return list;
  }

  std::map<NodeId, Node> nodes;

  void carry_out(Node& node) {
    while (node.machine) {
      std::vector<Effect> effects = node.machine->take_effects(now);
      if (effects.empty()) return;
      for (Effect& effect : effects) {
        std::visit([&](auto& body) { carry(node, body); }, effect);
      }
    }
  }

 private:
  static constexpr int64_t kTick = 50'000'000;
  struct Event {
    Time at;
    uint64_t order;
    std::function<void()> act;
    bool operator<(const Event& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };

  void at_time(Time when, std::function<void()> act) {
    events_.push({when, next_order_++, std::move(act)});
  }
  // Runs on the node's machine, unless the node has died or restarted meanwhile.
  void later(NodeId id, Time when, std::function<void(Node&)> act) {
    auto alive = [this, id, life = lives_[id], act = std::move(act)] {
      Node& node = nodes.at(id);
      if (!node.machine || lives_[id] != life) return;
      act(node);
      carry_out(node);
    };
    at_time(when, [this, id, alive = std::move(alive)] {
      if (paused_.contains(id)) {
        waiting_[id].push_back(alive);
      } else {
        alive();
      }
    });
  }
  void tell_members(Machine& machine) {
    std::vector<RosterMember> members;
    for (const NodeId id : roster_) members.push_back({id, cat("node", int(id.bytes[0]))});
    machine.on_members(members, 1, now);
  }
  void link_up(NodeId a, NodeId b) {
    const Time when = now + milliseconds(5);
    for (const auto& [self, peer] : {std::pair(a, b), std::pair(b, a)}) {
      later(self, when, [this, peer = peer](Node& node) { node.machine->on_link_up(peer, now); });
    }
  }
  void link_down_at(NodeId self, NodeId peer) {
    later(self, now + milliseconds(1),
          [this, peer](Node& node) { node.machine->on_link_down(peer, now); });
  }

  void carry(Node& node, Send& send) {
    if (drop && drop(send, node.id)) return;
    if (cut_.contains(node.id) != cut_.contains(send.to)) return;
    const auto target = nodes.find(send.to);
    if (target == nodes.end() || !target->second.machine) return;
    if (random.uniform() < faults.loss) return;
    const int copies = random.uniform() < faults.duplicate ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      Time when =
          now + faults.delay + Duration(int64_t(random.uniform() * double(faults.jitter.count())));
      Time& last = last_delivery_[{node.id, send.to}];
      if (random.uniform() < faults.reorder) {
        when = when + faults.delay * 5;
      } else {
        when = last = std::max(when, last);
      }
      later(send.to, when, [this, from = node.id, message = send.message](Node& to) {
        to.machine->on_message(from, message, now);
      });
    }
  }
  void carry(Node& node, LoadSlice& load) {
    ++node.loads;
    node.loads_beside += load.keep.value != 0;
    Result<> result = node.on_load ? node.on_load(load) : Result<>();
    if (result.ok()) node.compute.load(load.epoch, load.first_layer, load.last_layer, load.keep);
    later(node.id, now + load_time, [this, epoch = load.epoch, result](Node& self) {
      self.machine->on_slice_loaded(epoch, result, now);
    });
  }
  void carry(Node& node, DropSlices& drop_slices) { node.compute.drop(drop_slices.before); }
  void carry(Node& node, SubmitBatch& submit) {
    // The compute thread runs jobs one after the other; the outcome is known at once, told later.
    node.compute_free =
        std::max(now, node.compute_free) + batch_time + row_time * submit.batch.row_count;
    later(node.id, node.compute_free, [this, job = submit.job, batch = submit.batch](Node& self) {
      self.machine->on_batch_done(job, self.compute.run(batch), now);
    });
  }
  void carry(Node& node, ReleaseSession& release) {
    // Ordered after the batches submitted before.
    later(node.id, std::max(now, node.compute_free), [release](Node& self) {
      const auto free = self.compute.release(release.epoch, release.session);
      if (free) self.machine->on_released(release.epoch, *free);
    });
  }
  void carry(Node& node, TokenOut& out) {
    Stream& stream = node.streams[out.session];
    stream.after_end = stream.after_end || stream.result.has_value();
    if (out.position != stream.request.tokens.size() + stream.answer.size())
      stream.out_of_order = true;
    stream.answer.push_back(out.token);
  }
  void carry(Node& node, SessionEnd& end) {
    Stream& stream = node.streams[end.session];
    stream.after_end = stream.after_end || stream.result.has_value();
    stream.result = end.result;
    stream.usage = end.usage;
    stream.embedding = end.embedding;
    stream.ended = now;
  }
  template <typename Other>
  void carry(Node& node, Other& other) {
    node.others.push_back(std::move(other));
  }

  std::priority_queue<Event> events_;
  uint64_t next_order_ = 0;
  uint64_t incarnations_ = 100;
  std::map<NodeId, int> lives_;
  std::set<NodeId> roster_, cut_, paused_;
  std::map<NodeId, std::vector<std::function<void()>>> waiting_;
  std::map<std::pair<NodeId, NodeId>, Time> last_delivery_;
};

inline GenerateRequest make_request(uint32_t prompt, uint32_t max_tokens, uint64_t seed = 7) {
  GenerateRequest request;
  for (uint32_t i = 0; i < prompt; ++i) request.tokens.push_back(TokenId((i * 37 + seed) % kVocab));
  request.max_tokens = max_tokens;
  request.sampling.seed = seed;
  return request;
}

}  // namespace weft::mesh::test

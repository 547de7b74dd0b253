// What a node does for the mesh's machine, and what it does about trust.
#include <sys/eventfd.h>

#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "node/node.h"

namespace weft::node {
namespace {

template <typename... Handlers>
struct Overload : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overload(Handlers...) -> Overload<Handlers...>;

constexpr int kEffectRoundsMax = 8;
// So long after a batch the compute thread looks for the next one itself. Later the mesh thread
// alone is woken up by what a mesh without work says.
constexpr Duration kAttentiveTime = seconds(1);

bool is_for_reader(const mesh::Effect& effect) {
  return std::holds_alternative<mesh::TokenOut>(effect) ||
         std::holds_alternative<mesh::SessionEnd>(effect);
}

}  // namespace

void Node::carry_out_effects(Time now) {
  // Carrying one out may cause others at once (a send that fails); the rest waits for the next
  // turn.
  for (int round = 0; round < kEffectRoundsMax; ++round) {
    std::vector<mesh::Effect> effects = machine_->take_effects(now);
    if (effects.empty()) return;
    // What goes to one member is sent at once, so that the rows of a batch stay together.
    std::map<NodeId, std::vector<const transport::Message*>> sends;
    for (mesh::Effect& effect : effects) {
      const auto* const one = std::get_if<mesh::Send>(&effect);
      if (one) sends[one->to].push_back(&one->message);
    }
    for (const auto& [to, messages] : sends) send(to, messages, now);
    for (mesh::Effect& effect : effects) {
      if (is_for_reader(effect)) {
        for_readers_.push_back(std::move(effect));
      } else if (!std::holds_alternative<mesh::Send>(effect)) {
        carry_out(effect, now);
      }
    }
  }
}

// A stream's reader wakes up at its token: only when all else is on its way, and not by the thread
// that computes.
void Node::tell_readers(Time now) {
  for (mesh::Effect& effect : std::exchange(for_readers_, {})) carry_out(effect, now);
}

void Node::wake_for_readers() {
  if (!for_readers_.empty()) eventfd_write(wake_.get(), 1);
}

void Node::send(NodeId to, std::span<const transport::Message* const> messages, Time now) {
  const std::vector<Result<>> sent = links_->send_all(to, messages);
  for (size_t i = 0; i < messages.size(); ++i) {
    if (trace_) trace_->add_message(TraceEvent::What::kSent, *messages[i], clock_.now());
    if (!sent[i].ok()) machine_->on_undelivered(to, *messages[i], now);
  }
}

void Node::send(NodeId to, const transport::Message& message, Time now) {
  const transport::Message* const one[] = {&message};
  send(to, one, now);
}

void Node::carry_out(mesh::Effect& effect, Time now) {
  std::visit(
      Overload{
          [](mesh::Send&) {},  // sent before
          [&](mesh::LoadSlice& e) { loader_->load(e, now); },
          [&](mesh::DropSlices& e) { loader_->drop(e.before); },
          [&](mesh::SubmitBatch& e) {
            if (trace_) {
              trace_->add_batch(TraceEvent::What::kQueued, e.job, e.batch, clock_.now(), {});
            }
            if (!compute_->submit(e.job, std::move(e.batch))) {
              machine_->on_batch_done(
                  e.job, Error(ErrorCode::kExhausted, "the compute queue is full"), now);
            }
          },
          [&](mesh::ReleaseSession& e) { compute_->release(e.epoch, e.session); },
          [&](mesh::TokenOut& e) {
            const auto stream = streams_.find(e.session);
            if (stream == streams_.end()) return;
            if (stream->second->items.size() < kStreamTokensMax &&
                stream->second->items.try_push(StreamToken(e.token, std::move(e.logprobs)))) {
              return;
            }
            stream->second->items.close();  // read too slowly
            streams_.erase(stream);
            machine_->cancel(e.session, now);
          },
          [&](mesh::SessionProgress&) {},
          [&](mesh::SessionEnd& e) {
            {
              std::lock_guard lock(mutex_);
              counters_.prompt_tokens += e.usage.prompt_tokens;
              counters_.completion_tokens += e.usage.completion_tokens;
              const bool failed = !e.result.ok() && e.result.error().code != ErrorCode::kCancelled;
              counters_.requests_failed += failed;
            }
            const auto stream = streams_.find(e.session);
            if (stream == streams_.end()) return;
            (void)stream->second->items.try_push(
                StreamEnd{e.result, e.usage, std::move(e.embedding)});
            streams_.erase(stream);
          },
          [&](mesh::LearnAddress& e) {
            if (e.node != id_) peers_.learn(e.node, e.address);
          },
          [&](mesh::RosterBytes& e) {
            const auto change = trust_->apply_roster(e.bytes.view());
            if (!change.ok()) {
              log_warn("roster.refused", {{"from", short_string(e.from)},
                                          {"error", change.error().message}});
            } else if (*change == crypto::RosterChange::kNewer) {
              next_second_ = now;  // every_second sees the stored epoch and takes it
            }
          },
          [&](mesh::RosterBehind& e) {
            send(e.node, transport::RosterUpdate{SharedBytes::adopt(membership_->roster.bytes())},
                 now);
          },
          [&](mesh::ModelRefused& e) {
            log_warn("model.refused", {{"error", e.error.message}});
          },
          [&](mesh::ServeManifest& e) { serve(e); },
          [&](mesh::ServeFetch& e) { serve(e); },
          [&](mesh::VerifyManifest& e) { loader_->on(e); },
          [&](mesh::StoreChunk& e) { loader_->on(e); },
          [&](mesh::VerifyItem& e) { loader_->on(e); },
          [&](mesh::FetchProgress& e) { loader_->on(e, now); },
          [&](mesh::FetchEnded& e) { loader_->on(e, now); },
      },
      effect);
}

// On the compute thread, in the midst of a product: it waits for no one.
void Node::announce_results(uint64_t job) {
  const std::unique_lock lock(turn_, std::try_to_lock);
  if (!lock || stopping_) return;
  for (const NodeId to : machine_->receivers_of(job)) links_->announce(to);
}

// On the compute thread, so that what a batch has made is on its way without another thread's
// waking up first.
void Node::finish_batch(BatchDone done) {
  std::lock_guard lock(turn_);
  if (stopping_) return;
  const Time now = clock_.now();
  attentive_until_ = now + kAttentiveTime;
  machine_->on_batch_done(done.job, std::move(done.output), now);
  carry_out_effects(now);
  wake_for_readers();
}

void Node::serve(const mesh::ServeManifest& effect) {
  auto manifest = store_->manifest(effect.model);
  if (!manifest.ok()) return;  // not here (any more): the asker's time-out finds another holder
  send(effect.to, *manifest, clock_.now());
}

void Node::serve(const mesh::ServeFetch& effect) {
  (void)worker_->post([this, effect] {
    transport::Chunk chunk{effect.fetch.model, effect.fetch.request, effect.fetch.offset, {}, ""};
    auto bytes = store_->read(effect.fetch.model, effect.fetch.offset, effect.fetch.size);
    if (bytes.ok()) {
      chunk.data = SharedBytes::adopt(std::move(*bytes));
    } else {
      chunk.error = bytes.error().message;
    }
    report([this, to = effect.to, chunk](Time now) { send(to, chunk, now); });
  });
}

// The roster in force has changed: links and the machine follow it.
void Node::take_roster(Time now) {
  std::vector<mesh::RosterMember> members;
  for (const crypto::Certificate& member : membership_->roster.members()) {
    members.push_back({member.member_id(), printable(member.name(), transport::kNameBytesMax)});
  }
  bool someone_left = false;
  for (const mesh::NodeView& node : machine_->view(now).nodes) {
    if (node.self || membership_->roster.find(node.node)) continue;
    // It learns that it was revoked by the roster that lacks it, over the link that goes now.
    (void)links_->send(node.node,
                       transport::RosterUpdate{SharedBytes::adopt(membership_->roster.bytes())});
    links_->hang_up(node.node);
    peers_.forget(node.node);
    someone_left = true;
  }
  machine_->on_members(members, membership_->roster.epoch(), now);
  if (someone_left) {
    // A revoked member's open connection must go; the others come back by themselves.
    const auto rebound = links_->rebind();
    if (!rebound.ok()) log_error("link.rebind", {{"error", rebound.error().message}});
  }
  watch_inbox();
  log_info("roster", {{"epoch", membership_->roster.epoch()}, {"members", members.size()}});
}

void Node::spread_roster() {
  const auto bytes = SharedBytes::adopt(membership_->roster.bytes());
  for (const crypto::Certificate& member : membership_->roster.members()) {
    if (member.member_id() == id_ || !links_->is_up(member.member_id())) continue;
    (void)links_->send(member.member_id(),
                       transport::RosterUpdate{bytes});  // beats tell who lacks it
  }
}

// A node may be the head of a plan whose model it holds no part of; then it needs the vocabulary.
void Node::fetch_vocabulary(Time now) {
  const mesh::View view = machine_->view(now);
  if (!view.has_plan || !view.plan.active || !loader_->idle()) return;
  const auto stored = store_->find(view.plan.model);
  if (stored && stored->model) return;
  for (const mesh::NodeView& node : view.nodes) {
    for (const transport::ModelOffer& offer : node.profile.offers) {
      if (offer.model != view.plan.model) continue;
      for (const mesh::OfferView& held : view.offers) {
        if (held.model != offer.model) continue;
        loader_->want_header(offer.model, offer.manifest, offer.name, held.holders, now);
        return;
      }
    }
  }
}

void Node::publish_view(Time now) {
  mesh::View view = machine_->view(now);
  std::string differing = differing_adapters(view);
  if (differing != differing_adapters_ && !differing.empty()) {
    log_warn("lora.differs", {{"warning", differing}});
  }
  differing_adapters_ = std::move(differing);
  const transport::LinkCounters& links = links_->counters();
  std::lock_guard lock(mutex_);
  view_ = std::move(view);
  adapters_ = loader_->adapters();
  counters_.frames_in = links.frames_in;
  counters_.frames_out = links.frames_out;
  counters_.bytes_in = links.bytes_in;
  counters_.bytes_out = links.bytes_out;
  counters_.refused_handshakes = links.refused_handshakes;
  counters_.dropped_frames = links.dropped_frames;
}

}  // namespace weft::node

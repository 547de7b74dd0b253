// What a machine does with each kind of message. Checks come first; nothing a peer sends may reach
// an assertion.
#include <utility>
#include <variant>

#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"
#include "mesh/machine_parts.h"

namespace weft::mesh {
namespace {

constexpr size_t kAddressBytesMax = 128;

size_t measured_links(const transport::Beat& beat) {
  size_t count = 0;
  for (const transport::LinkMeasure& link : beat.links) count += link.bytes_per_s > 0;
  return count;
}

// True if the message is fine; else it is dropped, and said so once in the log.
bool accepted(const Result<>& checked, std::string_view kind, const std::string& from) {
  if (checked.ok()) return true;
  log_warn("message.dropped", {{"kind", kind}, {"from", from}, {"why", checked.error().message}});
  return false;
}

}  // namespace

void Machine::Parts::receive(NodeId from, transport::Message message, Time now) {
  std::visit([&](auto& body) { on(from, body, now); }, message);
}

void Machine::Parts::on(NodeId from, transport::Hello& hello, Time now) {
  if (!members.on_hello(from, hello.incarnation, now)) return;
  if (hello.known.size() > transport::kAddressesMax) return;
  for (transport::PeerAddress& peer : hello.known) {
    if (peer.node == config.self || peer.address.size() > kAddressBytesMax) continue;
    outbox.emit(LearnAddress{peer.node, std::move(peer.address)});
  }
}

void Machine::Parts::on(NodeId from, transport::Beat& beat, Time now) {
  if (!accepted(check_beat(beat), "beat", members.name(from))) return;
  const Member* known = members.find(from);
  const size_t measured = known ? measured_links(known->beat) : 0;
  if (!members.on_beat(from, beat, now)) return;
  if (!epochs.saw(beat.active_epoch) || !epochs.saw(beat.highest_epoch)) {
    log_warn("message.epoch_too_high", {{"from", members.name(from)}});
  }
  if (beat.roster_epoch < roster_epoch) outbox.emit(RosterBehind{from});
  if (measured_links(beat) > measured) coordinator.on_change(now);
  if (beat.leaving) return;
  follow(from, beat, now);
  keep_plan(from, beat);
}

// What the plan that a peer serves says about ours. One that heads streams of our epoch serves that
// epoch, and on a link its beats and rows keep their order: if it does not, its streams are over
// and their Close was lost. And if a stage of ours serves a newer plan, ours is history; this
// happens to a node that was stopped for a while.
void Machine::Parts::follow(NodeId peer, const transport::Beat& beat, Time now) {
  if (beat.active_epoch != stage.epoch()) stage.on_head_dead(peer);
  if (beat.active_epoch > rollout.active_epoch() && rollout.needs(peer)) {
    lose_plan("the mesh has moved to a new plan; ask again", now);
  }
}

// The node of the active plan's first stage is the plan's keeper: it hands the plan to every member
// that does not serve it (it is new, it missed a message, or it served an older plan in a
// partition). One that still serves streams of an older plan is left in peace until they end.
void Machine::Parts::keep_plan(NodeId peer, const transport::Beat& beat) {
  const transport::Propose* plan = rollout.active();
  if (!plan || plan->stages.front().node != config.self || beat.active_epoch >= plan->epoch) return;
  const bool busy = beat.active_epoch.value != 0 && beat.open_sessions + beat.stage_sessions > 0;
  if (busy) return;
  outbox.send(peer, *plan);
  outbox.send(peer, transport::Activate{plan->epoch});
}

void Machine::Parts::on(NodeId from, transport::Profile& profile, Time now) {
  if (!accepted(check_profile(profile), "profile", members.name(from))) return;
  if (members.on_profile(from, profile, now)) coordinator.on_profile(from, now);
}

void Machine::Parts::on(NodeId from, transport::LinkProbe& probe, Time now) {
  links.on_probe(from, probe, now);
}

void Machine::Parts::on(NodeId from, transport::Propose& plan, Time now) {
  if (!accepted(check_propose(plan), "propose", members.name(from))) return;
  if (!epochs.saw(plan.epoch)) {
    log_warn("message.epoch_too_high", {{"from", members.name(from)}});
    return;
  }
  plan.model_name = printable(plan.model_name);
  if (!rollout.on_propose(from, plan, now)) return;
  sessions.on_plan_lost("the mesh moves to a new plan; ask again in a moment", now);
  stage.stop();
}

void Machine::Parts::on(NodeId from, transport::Ready& ready, Time now) {
  rollout.on_ready(from, ready);
  coordinator.on_ready(from, ready, now);
}

void Machine::Parts::on(NodeId, transport::Activate& message, Time) {
  activate(message.epoch);
}

void Machine::Parts::activate(Epoch epoch) {
  if (!rollout.activate(epoch)) return;
  const transport::Propose& plan = *rollout.active();
  sessions.set_plan(plan);
  if (const std::optional<size_t> index = stage_index(plan, config.self)) stage.start(plan, *index);
}

void Machine::Parts::on(NodeId from, transport::Stale& stale, Time now) {
  if (!epochs.saw(stale.epoch)) return;
  if (stale.session.value != 0) {
    sessions.on_stale(from, stale, now);
  } else {
    coordinator.on_stale(stale, now);
  }
}

void Machine::Parts::on(NodeId from, transport::Want& want, Time now) {
  coordinator.on_want(from, want, now);
}

void Machine::Parts::on(NodeId from, transport::Step& step, Time now) {
  if (!members.is_alive(step.head)) return;  // nobody to answer
  const transport::Propose* plan = rollout.plan();
  if (!plan || plan->epoch != step.epoch) {
    outbox.send(step.head, transport::Stale{plan ? plan->epoch : Epoch{}, step.session});
    return;
  }
  // Rows of this epoch exist, so it is active somewhere, and the word is still on its way here.
  if (rollout.loaded()) activate(step.epoch);
  if (stage.epoch() == step.epoch) return stage.on_step(from, std::move(step), now);
  outbox.send(step.head, transport::Refused{step.epoch, step.session, ErrorCode::kUnavailable,
                                            cat(config.name, " is not ready for its layers")});
}

void Machine::Parts::on(NodeId from, transport::Token& token, Time now) {
  sessions.on_token(from, token, now);
}

void Machine::Parts::on(NodeId from, transport::Close& close, Time) {
  stage.on_close(from, close);
}

void Machine::Parts::on(NodeId from, transport::Refused& refused, Time now) {
  sessions.on_refused(from, refused, now);
}

void Machine::Parts::on(NodeId from, transport::ManifestRequest& request, Time) {
  outbox.emit(ServeManifest{from, request.model});
}

void Machine::Parts::on(NodeId from, transport::Manifest& manifest, Time now) {
  fetcher.on_manifest(from, manifest, now);
}

void Machine::Parts::on(NodeId from, transport::Fetch& fetch, Time) {
  if (fetch.size == 0 || fetch.size > transport::kPayloadBytesMax) {
    outbox.send(from, transport::Chunk{fetch.model,
                                       fetch.request,
                                       fetch.offset,
                                       {},
                                       cat("a request for ", fetch.size, " bytes")});
    return;
  }
  outbox.emit(ServeFetch{from, fetch});
}

void Machine::Parts::on(NodeId from, transport::Chunk& chunk, Time now) {
  fetcher.on_chunk(from, chunk, now);
}

void Machine::Parts::on(NodeId from, transport::RosterUpdate& update, Time) {
  outbox.emit(RosterBytes{from, std::move(update.bytes)});
}

void Machine::Parts::on(NodeId from, transport::ErrorReport& report, Time now) {
  if (from != coordinator_of(members)) return;
  std::string text = printable(report.text, 500);
  if (report.code == ErrorCode::kUnavailable) {
    report_ = Report{std::move(text), now};
  } else if (wanted) {
    outbox.emit(ModelRefused{wanted->model, Error(report.code, std::move(text))});
    wanted.reset();
  }
}

}  // namespace weft::mesh

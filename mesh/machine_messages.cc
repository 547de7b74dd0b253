// What a machine does with each kind of message. Checks come first; nothing a peer sends may reach
// an assertion.
#include <utility>
#include <variant>

#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"
#include "mesh/machine_parts.h"
#include "mesh/survey.h"

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

void Machine::Parts::on(NodeId from, transport::Profile& profile, Time now) {
  if (!accepted(check_profile(profile), "profile", members.name(from))) return;
  if (members.on_profile(from, profile, now)) coordinator.on_profile(from, now);
}

void Machine::Parts::on(NodeId from, transport::LinkProbe& probe, Time now) {
  links.on_probe(from, probe, now);
}

void Machine::Parts::on(NodeId from, transport::Ready& ready, Time now) {
  rollout.on_ready(from, ready);
  coordinator.on_ready(from, ready, now);
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
  if (retiring && retiring->epoch() == step.epoch) {
    return retiring->on_step(from, std::move(step), now);
  }
  const transport::Propose* plan = rollout.plan();
  const bool known = plan && (plan->epoch == step.epoch || rollout.active_epoch() == step.epoch);
  if (!known) {
    const Epoch ours = rollout.active() ? rollout.active_epoch() : plan ? plan->epoch : Epoch{};
    outbox.send(step.head, transport::Stale{ours, step.session});
    return;
  }
  // Rows of this epoch exist, so it is active somewhere, and the word is still on its way here.
  if (rollout.loaded()) activate(step.epoch, now);
  if (stage->epoch() == step.epoch) return stage->on_step(from, std::move(step), now);
  outbox.send(step.head, transport::Refused{step.epoch, step.session, ErrorCode::kUnavailable,
                                            cat(config.name, " is not ready for its layers")});
}

void Machine::Parts::on(NodeId from, transport::Token& token, Time now) {
  sessions.on_token(from, token, now);
}

void Machine::Parts::on(NodeId from, transport::Close& close, Time) {
  stage->on_close(from, close);
  if (retiring) retiring->on_close(from, close);
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
    const transport::ModelOffer* offer = find_offer(members, wanted->model);
    refusal = RefusalView{offer ? offer->name : to_string(wanted->model), text};
    outbox.emit(ModelRefused{wanted->model, Error(report.code, std::move(text))});
    wanted.reset();
  }
}

}  // namespace weft::mesh

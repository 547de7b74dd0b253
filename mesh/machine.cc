#include "mesh/machine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"
#include "mesh/machine_parts.h"
#include "mesh/survey.h"

namespace weft::mesh {

Machine::Parts::Parts(MachineConfig machine_config, Time now)
    : config(std::move(machine_config)),
      outbox(config.self),
      members(config.self, config.name, config.incarnation, now),
      rollout(outbox, members, config.step_rows_max()),
      coordinator(config, outbox, members, rollout, epochs, now),
      sessions(outbox, config.session_seed),
      stage(std::make_unique<Stage>(outbox, config.step_row_budget)),
      links(outbox),
      fetcher(outbox),
      next_beat_(now) {
  WEFT_ASSERT(config.plan);
  WEFT_ASSERT(!config.self.is_zero());
  WEFT_ASSERT(config.incarnation != 0);
  WEFT_ASSERT(config.step_row_budget >= 1);
}

void Machine::Parts::settle(Time now) {
  for (;;) {
    for (const MemberChange& change : members.take_changes()) {
      if (change.joined) {
        on_joined(change.node, now);
      } else {
        on_died(change, now);
      }
    }
    std::optional<transport::Message> message = outbox.take_local();
    if (!message) return;
    receive(config.self, std::move(*message), now);
  }
}

void Machine::Parts::on_joined(NodeId node, Time now) {
  log_info("member.joined", {{"node", members.name(node)}, {"id", short_string(node)}});
  introduce(node);  // it may have taken this node for dead as well
  coordinator.on_change(now);
}

void Machine::Parts::on_died(const MemberChange& change, Time now) {
  const std::string name = members.name(change.node);
  log_warn("member.died", {{"node", name}, {"why", change.why}});
  const std::string why = cat("node ", name, ", which had layers of the model, is gone (",
                              change.why, "); the mesh is making a new plan, ask again");
  if (rollout.needs(change.node)) lose_plan(why, now);
  sessions.on_node_lost(change.node, why, now);  // streams of the plan before
  stage->on_head_dead(change.node);
  if (retiring) retiring->on_head_dead(change.node);
  fetcher.on_holder_lost(change.node, now);
  coordinator.on_death(change.node, now);
}

void Machine::Parts::pump(Time now) {
  stage->pump(now);
  if (retiring) retiring->pump(now);
}

Stage& Machine::Parts::owner_of(uint64_t job) {
  return retiring && retiring->has_job(job) ? *retiring : *stage;
}

void Machine::Parts::batch_done(uint64_t job, Result<BatchOutput> output, Time now) {
  owner_of(job).on_batch_done(job, std::move(output), now);
}

void Machine::Parts::tick(Time now) {
  members.tick(now);
  members.self_member().beat.open_sessions = uint32_t(sessions.peak());
  settle(now);
  links.tick(sessions.count() == 0 && stage->session_count() == 0, now);
  rollout.tick(now);
  sessions.tick(now);
  if (sessions.waiting() > 0) sessions.tend_waiting(no_plan(now), now);
  stage->tick(now);
  if (retiring) retiring->tick(now);
  retire(now);
  fetcher.tick(now);
  coordinator.tick(now);
  if (now >= next_beat_) beat(now);
  settle(now);
}

// Whom a beat concerns: everyone with a link, also those taken for dead, so that a healed partition
// is noticed; and everyone alive.
std::vector<NodeId> Machine::Parts::audience() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, member] : members.members()) {
    if (node != config.self && (member.alive() || members.is_linked(node))) nodes.push_back(node);
  }
  for (const NodeId node : members.linked()) {
    if (!members.find(node)) nodes.push_back(node);
  }
  return nodes;
}

transport::Beat Machine::Parts::make_beat(bool leaving) {
  transport::Beat beat;
  beat.incarnation = config.incarnation;
  beat.number = ++beat_number_;
  beat.active_epoch = rollout.active_epoch();
  beat.highest_epoch = epochs.highest();
  beat.roster_epoch = roster_epoch;
  beat.open_sessions = uint32_t(sessions.peak());
  beat.stage_sessions = uint32_t(stage->session_count());
  beat.queued_rows = stage->queued_rows();
  if (retiring) {
    beat.stage_sessions += uint32_t(retiring->session_count());
    beat.queued_rows += retiring->queued_rows();
  }
  beat.kv_free_tokens = stage->kv_free_tokens();
  beat.decode_tokens_per_s = stage->decode_rows_per_s();
  beat.leaving = leaving;
  beat.links = links.measures();
  return beat;
}

void Machine::Parts::beat(Time now) {
  // On time on average, but no burst after a pause.
  next_beat_ = std::max(next_beat_ + kBeatEvery, now + kBeatEvery / 2);
  const transport::Beat beat = make_beat(false);
  sessions.forget_peak();
  members.self_member().beat = beat;
  const std::vector<NodeId> peers = audience();
  for (const NodeId peer : peers) outbox.send(peer, beat);
  if (!coordinator.problem().empty()) {
    for (const NodeId peer : peers) {
      outbox.send(peer, transport::ErrorReport{ErrorCode::kUnavailable, coordinator.problem()});
    }
  }
  pursue_want(now);
}

// Asks the coordinator again, as a message may be lost: for what request_model named, or, while the
// mesh has no plan at all, for the model this node was configured to serve.
void Machine::Parts::pursue_want(Time now) {
  const transport::Propose* plan = rollout.plan();
  if (wanted && ((plan && plan->model == wanted->model) || now >= wanted->until)) wanted.reset();
  const NodeId to = coordinator_of(members);
  if (wanted) {
    outbox.send(to, transport::Want{wanted->model});
  } else if (!plan && !config.model_name.empty() && to != config.self) {
    for (const OfferView& offer : offers(members)) {
      if (offer.name != config.model_name) continue;
      outbox.send(to, transport::Want{offer.model});
      return;
    }
  }
}

transport::Hello Machine::Parts::make_hello() const {
  transport::Hello hello;
  hello.name = config.name;
  hello.version = config.version;
  hello.incarnation = config.incarnation;
  hello.listen_port = config.listen_port;
  hello.known = known_addresses;
  if (hello.known.size() > transport::kAddressesMax) hello.known.resize(transport::kAddressesMax);
  return hello;
}

void Machine::Parts::introduce(NodeId peer) {
  outbox.send(peer, make_hello());
  if (const auto& profile = members.self_member().profile) outbox.send(peer, *profile);
  outbox.send(peer, make_beat(false));
}

void Machine::Parts::greet() {
  for (const NodeId peer : audience()) outbox.send(peer, make_hello());
}

void Machine::Parts::tell_profile() {
  for (const NodeId peer : audience()) outbox.send(peer, *members.self_member().profile);
}

void Machine::Parts::leave(Time now) {
  if (left) return;
  sessions.end_all("this node is leaving the mesh", now);
  stage->stop();
  if (retiring) retiring->stop();
  fetcher.cancel();
  settle(now);
  const transport::Beat beat = make_beat(true);
  for (const NodeId peer : audience()) outbox.send(peer, beat);
  left = true;
}

void Machine::Parts::undelivered(NodeId to, const transport::Message& message) {
  const auto* step = std::get_if<transport::Step>(&message);
  if (!step) return;  // all others are repeated, or missed by a deadline
  Error error(ErrorCode::kUnavailable, cat("cannot send rows to ", members.name(to)));
  if (stage->epoch() == step->epoch && stage->fail(step->session, error)) return;
  if (retiring && retiring->epoch() == step->epoch && retiring->fail(step->session, error)) return;
  outbox.send(step->head,
              transport::Refused{step->epoch, step->session, error.code, error.message});
}

Machine::Machine(MachineConfig config, Time now)
    : parts_(std::make_unique<Parts>(std::move(config), now)) {}
Machine::~Machine() = default;

std::vector<Effect> Machine::take_effects(Time now) {
  if (!parts_->left) {
    parts_->settle(now);
    parts_->pump(now);
  }
  return parts_->outbox.take_effects();
}

void Machine::on_tick(Time now) {
  if (!parts_->left) parts_->tick(now);
}

void Machine::on_members(const std::vector<RosterMember>& members, uint64_t roster_epoch,
                         Time now) {
  std::vector<std::pair<NodeId, std::string>> roster;
  for (const RosterMember& member : members) roster.emplace_back(member.node, member.name);
  parts_->members.set_roster(roster, now);
  parts_->roster_epoch = roster_epoch;
  if (!parts_->left) parts_->settle(now);
}

void Machine::on_link_up(NodeId peer, Time now) {
  if (parts_->left) return;
  parts_->members.on_link_up(peer);
  parts_->links.on_up(peer, now);
  parts_->introduce(peer);
}

void Machine::on_link_down(NodeId peer, Time now) {
  parts_->members.on_link_down(peer, now);
  parts_->links.on_down(peer);
}

void Machine::on_message(NodeId from, transport::Message message, Time now) {
  if (parts_->left || from == parts_->config.self) return;
  parts_->receive(from, std::move(message), now);
  parts_->settle(now);
}

void Machine::on_undelivered(NodeId to, const transport::Message& message, Time now) {
  if (parts_->left) return;
  parts_->undelivered(to, message);
  parts_->settle(now);
}

void Machine::set_known_addresses(std::vector<transport::PeerAddress> known, Time) {
  const bool same = std::equal(
      known.begin(), known.end(), parts_->known_addresses.begin(), parts_->known_addresses.end(),
      [](const auto& a, const auto& b) { return a.node == b.node && a.address == b.address; });
  if (same || parts_->left) return;
  parts_->known_addresses = std::move(known);
  parts_->greet();
}

void Machine::set_profile(transport::Profile profile, Time now) {
  if (parts_->left) return;
  profile.incarnation = parts_->config.incarnation;
  if (const Result<> checked = check_profile(profile); !checked.ok()) {
    log_error("machine.bad_profile", {{"why", checked.error().message}});
    return;
  }
  parts_->members.self_member().profile = std::move(profile);
  parts_->tell_profile();
  parts_->coordinator.on_profile(parts_->config.self, now);
}

void Machine::on_load_progress(Epoch epoch, float progress, Time now) {
  parts_->rollout.on_load_progress(epoch, progress, now);
  parts_->settle(now);
}

void Machine::on_slice_loaded(Epoch epoch, Result<> result, Time now) {
  parts_->rollout.on_slice_loaded(epoch, std::move(result), now);
  parts_->settle(now);
}

void Machine::on_batch_done(uint64_t job, Result<BatchOutput> output, Time now) {
  parts_->batch_done(job, std::move(output), now);
  parts_->settle(now);
}

std::vector<NodeId> Machine::receivers_of(uint64_t job) const {
  return parts_->owner_of(job).receivers_of(job);
}

void Machine::on_released(Epoch epoch, uint32_t kv_free_tokens) {
  if (parts_->stage->epoch() == epoch) parts_->stage->on_released(kv_free_tokens);
}

Result<SessionId> Machine::open(GenerateRequest request, Time now) {
  if (parts_->left) return Error(ErrorCode::kUnavailable, "this node is leaving the mesh");
  return parts_->sessions.open(std::move(request), parts_->no_plan(now), now);
}

void Machine::cancel(SessionId session, Time now) {
  parts_->sessions.cancel(session, now);
  parts_->settle(now);
}

void Machine::request_model(ModelId model, Time now) {
  parts_->wanted = Parts::WantedModel{model, now + kWantFor};
  parts_->refusal.reset();
  parts_->outbox.send(coordinator_of(parts_->members), transport::Want{model});
  parts_->settle(now);
}

void Machine::fetch_manifest(ModelId model, std::vector<NodeId> holders, Time now) {
  parts_->fetcher.fetch_manifest(model, std::move(holders), now);
}
void Machine::on_manifest_verified(ModelId model, bool ok, Time now) {
  parts_->fetcher.on_manifest_verified(model, ok, now);
}
void Machine::fetch_items(ModelId model, std::vector<FetchItem> items, Time now) {
  parts_->fetcher.fetch_items(model, std::move(items), holders(parts_->members, model), now);
}
void Machine::on_item_verified(ModelId model, uint32_t item, bool ok, Time now) {
  parts_->fetcher.on_item_verified(model, item, ok, now);
}
void Machine::cancel_fetch() {
  parts_->fetcher.cancel();
}

void Machine::leave(Time now) {
  parts_->leave(now);
}

View Machine::view(Time now) const {
  return parts_->view(now);
}

partition::PlanRequest Machine::plan_question(const transport::ModelOffer& model) const {
  return plan_request(parts_->members, model, parts_->config, parts_->config.min_nodes, {});
}

}  // namespace weft::mesh

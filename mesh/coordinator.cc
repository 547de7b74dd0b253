#include "mesh/coordinator.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"
#include "mesh/survey.h"

namespace weft::mesh {
namespace {

double worth(const partition::Plan& plan, partition::Objective objective) {
  return objective == partition::Objective::kThroughput ? plan.throughput_tps : plan.decode_tps;
}

}  // namespace

Coordinator::Coordinator(const MachineConfig& config, Outbox& outbox, const Membership& members,
                         const Rollout& rollout, EpochCounter& epochs, Time now)
    : config_(config),
      outbox_(outbox),
      members_(members),
      rollout_(rollout),
      epochs_(epochs),
      quiet_until_(now + kSettle),
      voluntary_after_(now),
      used_at_(now) {}

void Coordinator::on_ready(NodeId from, const transport::Ready& ready, Time now) {
  if (!pending_ || ready.epoch != pending_->plan.epoch) return;
  const auto it = pending_->stages.find(from);
  if (it == pending_->stages.end()) return;
  if (!ready.error.empty()) return stage_failed(from, printable(ready.error, 300), now);
  Loading& loading = it->second;
  if (!(ready.progress <= loading.progress)) loading.moved = now;
  loading.progress = ready.progress;
  loading.ready = ready.progress >= 1;
}

void Coordinator::on_stale(const transport::Stale& stale, Time now) {
  // The counter has taken note of the epoch; the next plan is above it.
  if (!pending_ || stale.epoch <= pending_->plan.epoch) return;
  log_info("coordinator.overtaken", {{"by_epoch", to_string(stale.epoch)}});
  pending_.reset();
  changed_ = true;
  quiet_until_ = now + kSettle;
}

void Coordinator::on_want(NodeId from, const transport::Want& want, Time now) {
  if (!is_coordinator()) return;
  const transport::Propose* serving = pending_ ? &pending_->plan : rollout_.active();
  if (serving && serving->model == want.model) return;
  const transport::ModelOffer* offer = find_offer(members_, want.model);
  if (!offer) {
    outbox_.send(from, transport::ErrorReport{ErrorCode::kNotFound,
                                              "no member holds this model whole: copy its file "
                                              "to one and start that with --model-dir"});
    return;
  }
  if (const uint32_t open = open_sessions(members_); serving && open > 0) {
    outbox_.send(from, transport::ErrorReport{
                           ErrorCode::kExhausted,
                           cat("the mesh serves ", printable(serving->model_name), " to ", open,
                               " open stream(s) and runs one model at a time; try again when "
                               "they have ended")});
    return;
  }
  log_info("coordinator.wanted", {{"model", offer->name}, {"by", members_.name(from)}});
  const std::optional<ModelId> before = std::exchange(wanted_, want.model);
  pending_.reset();
  plan_now(now);
  if (pending_) return;
  wanted_ = before;  // what serves goes on
  outbox_.send(from, transport::ErrorReport{ErrorCode::kExhausted, problem_});
}

void Coordinator::on_change(Time now) {
  changed_ = true;
  quiet_until_ = std::max(quiet_until_, now + kSettle);
}

void Coordinator::on_profile(NodeId node, Time now) {
  failures_.erase(node);
  on_change(now);
}

void Coordinator::on_death(NodeId node, Time now) {
  failures_.erase(node);
  changed_ = true;
  if (pending_ && pending_->stages.contains(node)) pending_.reset();
  // Streams or their heads wait for the next plan: make it at once.
  if (!rollout_.active()) quiet_until_ = now;
}

void Coordinator::tick(Time now) {
  if (!is_coordinator()) {
    pending_.reset();
    problem_.clear();
    changed_ = true;  // if this node is elected later, it looks afresh
    return;
  }
  if (open_sessions(members_) > 0) used_at_ = now;
  if (pending_) return drive_pending(now);
  if (rollout_.active() && out_of_step(now)) return plan_now(now);
  if (now < quiet_until_) return;
  if (!rollout_.active()) {
    if (!plan_elsewhere(now)) plan_now(now);
  } else {
    problem_.clear();
    const bool pardoned = std::any_of(failures_.begin(), failures_.end(), [&](const auto& entry) {
      return entry.second.count < kLoadFailuresMax && now >= entry.second.until &&
             !stage_index(*rollout_.active(), entry.first);
    });
    const bool may = now >= voluntary_after_ && open_sessions(members_) == 0;
    if ((changed_ || pardoned) && may) consider(now);
  }
}

void Coordinator::drive_pending(Time now) {
  bool all_ready = true;
  for (const auto& [node, loading] : pending_->stages) {
    if (!loading.ready && now - loading.moved >= kLoadStall) {
      return stage_failed(node, cat("no progress in loading for ", to_seconds(kLoadStall), " s"),
                          now);
    }
    all_ready = all_ready && loading.ready;
  }
  if (all_ready) {
    for (const NodeId node : members_.alive()) {
      outbox_.send(node, transport::Activate{pending_->plan.epoch});
    }
    if (pending_->voluntary) {
      const Duration pause = kVoluntaryLoads * (now - pending_->proposed);
      voluntary_after_ = now + std::max<Duration>(kVoluntaryEvery, pause);
    }
    details_ = std::move(pending_->details);
    details_epoch_ = pending_->plan.epoch;
    pending_.reset();
    return;
  }
  if (now - pending_->asked < kProposeAgain) return;
  pending_->asked = now;
  for (const auto& [node, loading] : pending_->stages) {
    if (!loading.ready) outbox_.send(node, pending_->plan);
  }
}

void Coordinator::stage_failed(NodeId node, const std::string& why, Time now) {
  Failure& failure = failures_[node];
  ++failure.count;
  const Duration pause =
      std::min<Duration>(kBackOffMost, kBackOffFirst * (1 << std::min(failure.count - 1, 8)));
  failure.until = now + pause;
  failure.why = why;
  log_warn("coordinator.stage_failed",
           {{"node", members_.name(node)}, {"why", why}, {"again_in_s", to_seconds(pause)}});
  const bool serves_on = pending_->voluntary && rollout_.active();
  pending_.reset();
  changed_ = true;
  if (!serves_on) plan_now(now);
}

// The wanted model, else the one served last, else the configured one, else the first by name.
Result<const transport::ModelOffer*> Coordinator::choose_model() const {
  const std::vector<OfferView> all = offers(members_);
  if (wanted_) {
    if (const auto* offer = find_offer(members_, *wanted_)) return offer;
  }
  if (rollout_.plan()) {
    if (const auto* offer = find_offer(members_, rollout_.plan()->model)) return offer;
  }
  for (const OfferView& offer : all) {
    if (config_.model_name.empty() || offer.name == config_.model_name) {
      return find_offer(members_, offer.model);
    }
  }
  if (all.empty()) {
    return Error(ErrorCode::kUnavailable,
                 "no member holds a model file: start one with --model-dir");
  }
  return Error(ErrorCode::kUnavailable, cat("no member holds a model named '", config_.model_name,
                                            "'; the first of those there is '", all[0].name, "'"));
}

std::set<NodeId> Coordinator::excluded(Time now) const {
  std::set<NodeId> nodes;
  for (const auto& [node, failure] : failures_) {
    if (now < failure.until || failure.count >= kLoadFailuresMax) nodes.insert(node);
  }
  return nodes;
}

partition::PlanRequest Coordinator::question(const transport::ModelOffer& offer, Time now) const {
  partition::PlanRequest request =
      plan_request(members_, offer, config_, config_.min_nodes, excluded(now));
  // After a loss those that are left may do, so that the next request is answered.
  if (rollout_.ever_active()) {
    request.min_nodes = std::min(request.min_nodes, request.nodes.size());
  }
  return request;
}

Result<partition::Plan> Coordinator::make_plan(const partition::PlanRequest& request) const {
  if (request.nodes.empty()) {
    return Error(ErrorCode::kUnavailable, "no member has measured itself yet, or none may be used");
  }
  WEFT_TRY(partition::Plan plan, config_.plan(request));
  if (plan.stages.empty()) return Error(ErrorCode::kInternal, "the planner gave no stage");
  return plan;
}

void Coordinator::plan_now(Time now) {
  changed_ = false;
  quiet_until_ = now + kReplanEvery;
  Result<const transport::ModelOffer*> offer = choose_model();
  Result<partition::Plan> plan =
      offer.ok() ? make_plan(question(**offer, now)) : Result<partition::Plan>(offer.error());
  if (plan.ok()) {
    transport::Propose proposal = proposal_of(**offer, *plan);
    return propose(std::move(proposal), *std::move(plan), false, now);
  }
  std::string problem = plan.error().message;
  for (const auto& [node, failure] : failures_) {
    problem += cat("; left out: ", members_.name(node), " (", failure.why, ")");
  }
  if (problem != problem_) log_warn("coordinator.no_plan", {{"why", problem}});
  problem_ = std::move(problem);
}

// Is there a plan better than the one that serves? Only asked while no stream is open.
void Coordinator::consider(Time now) {
  changed_ = false;
  quiet_until_ = now + kReplanEvery;
  const transport::Propose& serving = *rollout_.active();
  const Result<const transport::ModelOffer*> offer = choose_model();
  if (!offer.ok()) return;  // its only holder may be away; the layers are loaded all the same
  const partition::PlanRequest request = question(**offer, now);
  Result<partition::Plan> plan = make_plan(request);
  if (!plan.ok()) return;
  transport::Propose proposal = proposal_of(**offer, *plan);
  if (proposal.model == serving.model) {
    if (proposal.stages == serving.stages) {
      details_ = *std::move(plan);  // fresher predictions for the view
      details_epoch_ = serving.epoch;
      return;
    }
    if (!worthwhile(request, *plan, proposal, now)) return;
  }
  propose(std::move(proposal), *std::move(plan), true, now);
}

// Is the plan so much better than what serves? Both are reckoned by the same measurements: what was
// promised when the serving plan was made says nothing, as links were not measured then.
bool Coordinator::worthwhile(const partition::PlanRequest& request, const partition::Plan& plan,
                             const transport::Propose& proposal, Time now) {
  const transport::Propose& serving = *rollout_.active();
  std::vector<partition::Stage> stages;
  for (const transport::StageSpec& stage : serving.stages) {
    stages.push_back({stage.node, stage.first_layer, stage.last_layer});
  }
  const Result<partition::Plan> today = config_.evaluate(request, stages);
  if (!today.ok()) return false;  // one of its nodes is left out for now: no comparison
  const double gain =
      worth(plan, config_.objective) / std::max(worth(*today, config_.objective), 1e-9);
  if (gain < kWorthwhileGain) return false;
  if (fits_beside(members_, serving, proposal, config_.step_rows_max())) return true;
  if (gain < kWorthwhileGainWithGap) return false;
  if (now - used_at_ >= kIdleBeforeGap) return true;
  changed_ = true;  // it is worth it once nobody is there
  quiet_until_ = used_at_ + kIdleBeforeGap;
  return false;
}

transport::Propose Coordinator::proposal_of(const transport::ModelOffer& offer,
                                            const partition::Plan& plan) const {
  transport::Propose proposal;
  proposal.model = offer.model;
  proposal.manifest = offer.manifest;
  proposal.layer_count = uint32_t(offer.layers.size());
  proposal.hidden_dim = offer.hidden_dim;
  proposal.vocab_size = offer.vocab_size;
  proposal.context_length = offer.context_length;
  proposal.kv_tokens = config_.kv_tokens;
  proposal.kv_type = config_.kv_type;
  proposal.model_name = printable(offer.name);
  proposal.predicted_decode_tps = plan.decode_tps;
  for (const partition::Stage& stage : plan.stages) {
    proposal.stages.push_back({stage.node, stage.first_layer, stage.last_layer});
  }
  proposal.holders = holders(members_, offer.model);
  return proposal;
}

void Coordinator::propose(transport::Propose proposal, partition::Plan plan, bool voluntary,
                          Time now) {
  proposal.epoch = epochs_.next(outbox_.self());
  if (const Result<> checked = check_propose(proposal); !checked.ok()) {
    problem_ = cat("the planner's answer is not a plan: ", checked.error().message);
    log_error("coordinator.bad_plan", {{"why", problem_}});
    return;
  }
  problem_.clear();
  for (const NodeId node : members_.alive()) outbox_.send(node, proposal);
  if (voluntary) voluntary_after_ = now + kVoluntaryEvery;
  Pending pending;
  for (const transport::StageSpec& stage : proposal.stages) pending.stages[stage.node].moved = now;
  pending.plan = std::move(proposal);
  pending.details = std::move(plan);
  pending.voluntary = voluntary;
  pending.proposed = pending.asked = now;
  pending_ = std::move(pending);
}

// True while another member serves a plan that may still reach this node (it is new here): its
// keeper sends it, and planning now would end its streams.
bool Coordinator::plan_elsewhere(Time now) {
  const Epoch known = rollout_.plan() ? rollout_.plan()->epoch : Epoch{};
  const auto& all = members_.members();
  const bool elsewhere = std::any_of(all.begin(), all.end(), [&](const auto& entry) {
    return entry.second.alive() && entry.second.beat.active_epoch > known;
  });
  if (!elsewhere) {
    elsewhere_since_.reset();
    return false;
  }
  if (!elsewhere_since_) elsewhere_since_ = now;
  return now - *elsewhere_since_ < kAdoptWait;
}

// True if the active plan must be made anew though none of its nodes died: for a while, a stage has
// not served it (it lost sight of a fellow), or a member has refused it, holding on to a higher
// proposal that came to nothing. The latter is no stage: it waits for open streams to end, but not
// for ever.
bool Coordinator::out_of_step(Time now) {
  const transport::Propose& plan = *rollout_.active();
  bool stage_lost = false, outrun = false;
  for (const auto& [node, member] : members_.members()) {
    if (!member.alive() || member.beat.number == 0) continue;
    stage_lost |= member.beat.active_epoch != plan.epoch && stage_index(plan, node).has_value();
    outrun |= member.beat.active_epoch.value == 0 && member.beat.highest_epoch > plan.epoch;
  }
  if (!stage_lost && !outrun) {
    out_of_step_since_.reset();
    return false;
  }
  if (!out_of_step_since_) out_of_step_since_ = now;
  const bool urgent = stage_lost || open_sessions(members_) == 0;
  if (now - *out_of_step_since_ < (urgent ? kAdoptWait : kOutrunPatience)) return false;
  out_of_step_since_.reset();
  return true;
}

}  // namespace weft::mesh

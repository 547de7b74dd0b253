#include "mesh/rollout.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"

namespace weft::mesh {
namespace {

constexpr Duration kProgressEvery = milliseconds(500);

bool same_plan(const transport::Propose& a, const transport::Propose& b) {
  return a.epoch == b.epoch && a.model == b.model && a.manifest == b.manifest &&
         a.layer_count == b.layer_count && a.hidden_dim == b.hidden_dim &&
         a.vocab_size == b.vocab_size && a.context_length == b.context_length &&
         a.kv_tokens == b.kv_tokens && a.kv_type == b.kv_type && a.stages == b.stages;
}

}  // namespace

bool Rollout::on_propose(NodeId from, const transport::Propose& plan, bool beside, Time now) {
  if (plan_ && plan.epoch < plan_->epoch) {
    outbox_.send(from, transport::Stale{plan_->epoch, {}});
    return false;
  }
  if (plan_ && plan.epoch == plan_->epoch) {
    if (!same_plan(plan, *plan_)) {
      log_warn("rollout.two_plans_one_epoch",
               {{"epoch", to_string(plan.epoch)}, {"from", members_.name(from)}});
    } else if (load_ != Load::kNone) {
      answered_ = false;
      if (load_ == Load::kLoading) {
        outbox_.send(from, transport::Ready{plan.epoch, progress(outbox_.self()), {}, ""});
      }
      answer(now);
    }
    return false;
  }
  plan_ = plan;
  was_active_ = false;
  if (!beside) active_.reset();
  answered_ = false;
  progress_.clear();
  progress_said_.reset();
  const std::optional<size_t> index = stage_index(plan, outbox_.self());
  const bool serving = active_ && stage_index(*active_, outbox_.self());
  if (!index) {
    load_ = Load::kNone;
    if (!serving) outbox_.emit(DropSlices{plan.epoch});
  } else {
    load_ = Load::kLoading;
    const transport::StageSpec& stage = plan.stages[*index];
    outbox_.emit(LoadSlice{plan.epoch, plan.model, plan.manifest, plan.model_name,
                           stage.first_layer, stage.last_layer, plan.kv_tokens, plan.kv_type,
                           rows_max_, plan.holders, serving ? active_->epoch : Epoch{}});
  }
  log_info("rollout.proposed", {{"epoch", to_string(plan.epoch)},
                                {"by", members_.name(from)},
                                {"model", plan.model_name},
                                {"stages", plan.stages.size()},
                                {"serving", to_string(active_epoch())}});
  return true;
}

bool Rollout::activate(Epoch epoch) {
  if (!plan_ || plan_->epoch != epoch || active_epoch() == epoch || missing_stage()) return false;
  if (load_ == Load::kLoading || load_ == Load::kFailed) return false;
  active_ = plan_;
  was_active_ = ever_active_ = true;
  for (const transport::StageSpec& stage : plan_->stages) progress_[stage.node] = 1;
  log_info("rollout.active", {{"epoch", to_string(epoch)}, {"model", plan_->model_name}});
  return true;
}

void Rollout::on_ready(NodeId from, const transport::Ready& ready) {
  if (!plan_ || ready.epoch != plan_->epoch || !ready.error.empty()) return;
  if (std::isfinite(ready.progress)) progress_[from] = std::clamp(ready.progress, 0.0f, 1.0f);
}

void Rollout::on_load_progress(Epoch epoch, float progress, Time now) {
  if (load_ != Load::kLoading || plan_->epoch != epoch || !std::isfinite(progress)) return;
  progress_[outbox_.self()] = std::clamp(progress, 0.0f, 0.999f);  // 1 is said once it is loaded
  if (progress_said_ && now - *progress_said_ < kProgressEvery) return;
  progress_said_ = now;
  say_ready(transport::Ready{epoch, progress_[outbox_.self()], {}, ""});
}

void Rollout::on_slice_loaded(Epoch epoch, Result<> result, Time now) {
  if (load_ != Load::kLoading || plan_->epoch != epoch) return;
  loaded_at_ = now;
  if (result.ok()) {
    load_ = Load::kLoaded;
  } else {
    load_ = Load::kFailed;
    failure_ = result.error();
    if (failure_.message.empty()) failure_.message = "loading failed";
    log_warn("rollout.load_failed", {{"epoch", to_string(epoch)}, {"why", failure_.message}});
  }
  answer(now);
}

bool Rollout::needs(NodeId node) const {
  return active_ && stage_index(*active_, node).has_value();
}

void Rollout::tick(Time now) {
  if (!answered_) answer(now);
}

float Rollout::progress(NodeId node) const {
  const auto it = progress_.find(node);
  return it == progress_.end() ? 0 : it->second;
}

std::optional<NodeId> Rollout::missing_stage() const {
  for (const transport::StageSpec& stage : plan_->stages) {
    if (!members_.is_alive(stage.node)) return stage.node;
  }
  return std::nullopt;
}

// Says that this stage is ready, or that it is not and why. A stage that cannot reach a fellow
// stage is not ready; links may still be on their way up, so it waits a little before it says so.
void Rollout::answer(Time now) {
  if (load_ != Load::kLoaded && load_ != Load::kFailed) return;
  transport::Ready ready{plan_->epoch, 1, {}, ""};
  if (load_ == Load::kFailed) {
    ready.progress = 0;
    ready.error_code = failure_.code;
    ready.error = failure_.message;
  } else if (const std::optional<NodeId> missing = missing_stage()) {
    if (now - loaded_at_ < kReachWithin) return;
    ready.progress = 0;
    ready.error_code = ErrorCode::kUnavailable;
    ready.error = cat("cannot reach ", members_.name(*missing));
  } else {
    progress_[outbox_.self()] = 1;
  }
  answered_ = true;
  say_ready(ready);
}

void Rollout::say_ready(const transport::Ready& ready) {
  for (const NodeId node : members_.alive()) outbox_.send(node, ready);
}

}  // namespace weft::mesh

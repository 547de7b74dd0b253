// What a plan's coming and going does to a machine's streams and stages.
//
// While a newer plan loads, the active one serves on, if every node can hold both. When the newer
// becomes active its streams go on where they are: their rows carry their epoch, and the stage that
// served it is kept as `retiring` until they have ended. A head that hears of the change late opens
// a stream or two more on the old plan; the retiring stage takes them.
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"
#include "mesh/machine_parts.h"
#include "mesh/survey.h"

namespace weft::mesh {

void Machine::Parts::on(NodeId from, transport::Propose& plan, Time now) {
  if (const Result<> checked = check_propose(plan); !checked.ok()) {
    log_warn("message.dropped",
             {{"kind", "propose"}, {"from", members.name(from)}, {"why", checked.error().message}});
    return;
  }
  if (!epochs.saw(plan.epoch)) {
    log_warn("message.epoch_too_high", {{"from", members.name(from)}});
    return;
  }
  plan.model_name = printable(plan.model_name);
  const transport::Propose* serving = rollout.active();
  const bool beside =
      serving && fits_beside(members, *serving, plan, config.step_rows_max());
  if (!rollout.on_propose(from, plan, beside, now)) return;
  // Room was found for two plans' layers, not for a third one's.
  if (retiring) retiring->stop();
  retiring.reset();
  if (!rollout.active()) stage->stop();
  sessions.keep_only(rollout.active_epoch(), "the mesh moves to a new plan; ask again in a moment",
                     now);
}

void Machine::Parts::on(NodeId, transport::Activate& message, Time now) {
  activate(message.epoch, now);
}

void Machine::Parts::activate(Epoch epoch, Time now) {
  const Epoch before = rollout.active_epoch();
  if (!rollout.activate(epoch)) return;
  report_.reset();
  refusal.reset();
  before_ = before;
  const transport::Propose& plan = *rollout.active();
  if (stage->epoch().value != 0) {
    retiring = std::exchange(stage, std::make_unique<Stage>(outbox, config.step_row_budget));
    retiring_used_at_ = now;
  }
  if (const std::optional<size_t> index = stage_index(plan, config.self)) {
    stage->start(plan, *index);
  }
  sessions.set_plan(plan, now);
}

void Machine::Parts::lose_plan(const std::string& why, Time now) {
  const Epoch lost = rollout.active_epoch();
  rollout.lose();
  stage->stop();
  sessions.on_plan_lost(lost, why, now);
}

// Frees the layers of the plan before, once nobody uses them.
void Machine::Parts::retire(Time now) {
  if (!retiring) return;
  if (retiring->session_count() > 0) retiring_used_at_ = now;
  if (now - retiring_used_at_ < kRetireQuiet) return;
  log_info("stage.retired", {{"epoch", to_string(retiring->epoch())}});
  retiring.reset();
  outbox.emit(DropSlices{rollout.plan()->epoch});
}

// What the plan that a peer serves says about ours. One that serves the plan that waits here has
// heard the word first. One that heads streams of a plan serves that plan or a newer one: if it
// does not, its streams are over and their Close was lost. And if a stage of ours serves a newer
// plan that we know nothing of, ours is history; this happens to a node that was stopped for a
// while.
void Machine::Parts::follow(NodeId peer, const transport::Beat& beat, Time now) {
  if (rollout.awaits(beat.active_epoch)) activate(beat.active_epoch, now);
  if (beat.active_epoch < stage->epoch()) stage->on_head_elsewhere(peer, now);
  if (retiring && beat.active_epoch < retiring->epoch()) retiring->on_head_elsewhere(peer, now);
  if (beat.active_epoch > rollout.active_epoch() && rollout.needs(peer)) {
    lose_plan("the mesh has moved to a new plan; ask again", now);
  }
}

// The node of the active plan's first stage is the plan's keeper: it hands the plan to every member
// that does not serve it (it is new, it missed a message, or it served an older plan in a
// partition). One that still serves streams of an older plan is left in peace until they end,
// unless it is the plan before this one, whose streams go on beside.
void Machine::Parts::keep_plan(NodeId peer, const transport::Beat& beat) {
  const transport::Propose* plan = rollout.active();
  if (!plan || plan->stages.front().node != config.self || beat.active_epoch >= plan->epoch) return;
  const bool busy = beat.active_epoch.value != 0 && beat.open_sessions + beat.stage_sessions > 0;
  if (busy && beat.active_epoch != before_) return;
  outbox.send(peer, *plan);
  outbox.send(peer, transport::Activate{plan->epoch});
}

}  // namespace weft::mesh

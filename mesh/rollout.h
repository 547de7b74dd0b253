// Rollout: every member's side of a plan. It keeps the highest plan it was proposed, has its own
// layers loaded, says Ready, and knows whether the plan is active.
//
// Every member keeps every plan, whether it has a stage or not, so that any of them may be a head.
// The plan that is active goes on serving while a newer one loads, if every node can hold both.
// A plan is active after Activate from its maker or keeper (see Machine), or as soon as rows of its
// epoch arrive at a stage that is ready: rows exist only once somebody has activated it.
// A plan whose stage has died is lost: kept, but not active until that node is back.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "mesh/membership.h"
#include "mesh/outbox.h"
#include "transport/message.h"

namespace weft::mesh {

class Rollout {
 public:
  Rollout(Outbox& outbox, const Membership& members, uint32_t rows_max)
      : outbox_(outbox), members_(members), rows_max_(rows_max) {}

  // A checked proposal. Answers Stale to one below the highest accepted, Ready to a repeated one.
  // True: it is new, and its layers load. The active plan serves on if there is room for both
  // (`beside`), else it is over.
  bool on_propose(NodeId from, const transport::Propose& plan, bool beside, Time now);
  // True: the plan has become active, in place of the one before.
  bool activate(Epoch epoch);
  // It is the plan of this epoch that waits to become active for the first time.
  bool awaits(Epoch epoch) const { return plan_ && plan_->epoch == epoch && !was_active_; }
  // Another stage's word on its loading, for the view.
  void on_ready(NodeId from, const transport::Ready& ready);
  void on_load_progress(Epoch epoch, float progress, Time now);
  void on_slice_loaded(Epoch epoch, Result<> result, Time now);
  // Does the active plan need that node?
  bool needs(NodeId node) const;
  // A stage of the active plan is gone, or serves a newer one.
  void lose() { active_.reset(); }
  // Says Ready late if a fellow stage could not be reached at first.
  void tick(Time now);

  // The highest plan accepted; null: none yet.
  const transport::Propose* plan() const { return plan_ ? &*plan_ : nullptr; }
  const transport::Propose* active() const { return active_ ? &*active_ : nullptr; }
  Epoch active_epoch() const { return active_ ? active_->epoch : Epoch{}; }
  bool ever_active() const { return ever_active_; }
  // This node's slice of plan() is loaded.
  bool loaded() const { return load_ == Load::kLoaded; }
  // Of a stage of plan(), 0..1.
  float progress(NodeId node) const;

 private:
  enum class Load { kNone, kLoading, kLoaded, kFailed };
  std::optional<NodeId> missing_stage() const;
  void answer(Time now);
  void say_ready(const transport::Ready& ready);

  Outbox& outbox_;
  const Membership& members_;
  const uint32_t rows_max_;
  std::optional<transport::Propose> plan_;
  std::optional<transport::Propose> active_;  // plan_ or the one before it
  bool was_active_ = false;                   // plan_ has been active
  bool ever_active_ = false;
  Load load_ = Load::kNone;
  bool answered_ = false;  // Ready was said, or the failure
  Time loaded_at_;
  std::optional<Time> progress_said_;
  Error failure_{ErrorCode::kInternal, ""};
  std::map<NodeId, float> progress_;
};

}  // namespace weft::mesh

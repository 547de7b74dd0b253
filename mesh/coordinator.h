// Coordinator: makes the plan, while this node is the one elected to.
//
// It asks the planner over all measured profiles and links, proposes the answer to every member,
// waits until each stage says Ready, and activates. A stage that dies, fails or stalls while
// loading is left out and the plan made anew at once; one that failed may come back after a growing
// pause. While a plan serves, a better one replaces it only if no stream is open, none such has for
// kVoluntaryEvery, and it promises a gain of kWorthwhileGain over what serves, both reckoned by
// today's measurements; more where the mesh could not serve while it loads (limits.h). A Want for
// another model waits for nothing but is refused while streams are open.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/id.h"
#include "mesh/election.h"
#include "mesh/machine.h"
#include "mesh/membership.h"
#include "mesh/outbox.h"
#include "mesh/rollout.h"
#include "partition/planner.h"
#include "transport/message.h"

namespace weft::mesh {

class Coordinator {
 public:
  // The references outlive it.
  Coordinator(const MachineConfig& config, Outbox& outbox, const Membership& members,
              const Rollout& rollout, EpochCounter& epochs, Time now);

  void on_ready(NodeId from, const transport::Ready& ready, Time now);
  // A member keeps a higher plan than the one proposed.
  void on_stale(const transport::Stale& stale, Time now);
  void on_want(NodeId from, const transport::Want& want, Time now);
  // A member joined, a profile changed, a link was measured: a better plan may exist.
  void on_change(Time now);
  void on_profile(NodeId node, Time now);
  void on_death(NodeId node, Time now);
  void tick(Time now);

  // Why there is no plan; empty if there is one or one is loading.
  const std::string& problem() const { return problem_; }
  // The planner's answer behind a plan of this node's making; null for others.
  const partition::Plan* details(Epoch epoch) const {
    if (pending_ && pending_->plan.epoch == epoch) return &pending_->details;
    return details_epoch_ == epoch && epoch.value != 0 ? &details_ : nullptr;
  }

 private:
  struct Loading {
    float progress = 0;
    bool ready = false;
    Time moved;  // when its progress last rose
  };
  struct Pending {  // proposed, not all ready
    transport::Propose plan;
    partition::Plan details;
    std::map<NodeId, Loading> stages;
    bool voluntary = false;  // nothing was lost: if it comes to nothing, so be it
    Time proposed, asked;
  };
  struct Failure {
    int count = 0;
    Time until;
    std::string why;
  };

  bool is_coordinator() const { return coordinator_of(members_) == outbox_.self(); }
  void drive_pending(Time now);
  void stage_failed(NodeId node, const std::string& why, Time now);
  Result<const transport::ModelOffer*> choose_model() const;
  std::set<NodeId> excluded(Time now) const;
  partition::PlanRequest question(const transport::ModelOffer& offer, Time now) const;
  Result<partition::Plan> make_plan(const partition::PlanRequest& request) const;
  void plan_now(Time now);
  void consider(Time now);
  bool worthwhile(const partition::PlanRequest& request, const partition::Plan& plan,
                  const transport::Propose& proposal, Time now);
  transport::Propose proposal_of(const transport::ModelOffer& offer,
                                 const partition::Plan& plan) const;
  void propose(transport::Propose proposal, partition::Plan plan, bool voluntary, Time now);
  bool plan_elsewhere(Time now);
  bool out_of_step(Time now);

  const MachineConfig& config_;
  Outbox& outbox_;
  const Membership& members_;
  const Rollout& rollout_;
  EpochCounter& epochs_;

  std::optional<Pending> pending_;
  partition::Plan details_;
  Epoch details_epoch_;
  std::map<NodeId, Failure> failures_;
  std::optional<ModelId> wanted_;
  bool changed_ = true;
  Time quiet_until_;      // no plan before this
  Time voluntary_after_;  // no better plan before this
  Time used_at_;          // when a stream was last open
  std::optional<Time> elsewhere_since_;
  std::optional<Time> out_of_step_since_;
  std::string problem_;
};

}  // namespace weft::mesh

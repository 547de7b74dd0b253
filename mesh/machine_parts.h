// The inside of a Machine: its parts, and the wiring between them. Private to mesh/machine*.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mesh/coordinator.h"
#include "mesh/election.h"
#include "mesh/fetcher.h"
#include "mesh/links.h"
#include "mesh/machine.h"
#include "mesh/membership.h"
#include "mesh/outbox.h"
#include "mesh/rollout.h"
#include "mesh/sessions.h"
#include "mesh/stage.h"

namespace weft::mesh {

class Machine::Parts {
 public:
  Parts(MachineConfig machine_config, Time now);

  // A message from a member or from this node itself; checked here before any part sees it.
  void receive(NodeId from, transport::Message message, Time now);
  // Feeds this node's messages to itself back, and reacts to members that came and went.
  void settle(Time now);
  void tick(Time now);
  void undelivered(NodeId to, const transport::Message& message);
  void introduce(NodeId peer);  // Hello, Profile and a beat
  void greet();                 // Hello to all
  void tell_profile();
  void leave(Time now);
  // Why there is no active plan, as a client is told it.
  NoPlan no_plan(Time now) const;
  // Hands what waits to the compute thread.
  void pump(Time now);
  // The stage that waits for this batch, if one does.
  Stage& owner_of(uint64_t job);
  void batch_done(uint64_t job, Result<BatchOutput> output, Time now);
  View view(Time now) const;

  const MachineConfig config;
  Outbox outbox;
  Membership members;
  EpochCounter epochs;
  Rollout rollout;
  Coordinator coordinator;
  Sessions sessions;
  std::unique_ptr<Stage> stage;     // of the active plan; it may have none
  std::unique_ptr<Stage> retiring;  // of the plan before, while its streams end; else null
  Links links;
  Fetcher fetcher;

  std::vector<transport::PeerAddress> known_addresses;
  uint64_t roster_epoch = 0;
  bool left = false;
  struct WantedModel {
    ModelId model;
    Time until;
  };
  std::optional<WantedModel> wanted;
  std::optional<RefusalView> refusal;  // of what was wanted last

 private:
  void on(NodeId from, transport::Hello& hello, Time now);
  void on(NodeId from, transport::Beat& beat, Time now);
  void on(NodeId from, transport::Profile& profile, Time now);
  void on(NodeId from, transport::LinkProbe& probe, Time now);
  void on(NodeId from, transport::Propose& plan, Time now);
  void on(NodeId from, transport::Ready& ready, Time now);
  void on(NodeId from, transport::Activate& activate, Time now);
  void on(NodeId from, transport::Stale& stale, Time now);
  void on(NodeId from, transport::Want& want, Time now);
  void on(NodeId from, transport::Step& step, Time now);
  void on(NodeId from, transport::Token& token, Time now);
  void on(NodeId from, transport::Close& close, Time now);
  void on(NodeId from, transport::Refused& refused, Time now);
  void on(NodeId from, transport::ManifestRequest& request, Time now);
  void on(NodeId from, transport::Manifest& manifest, Time now);
  void on(NodeId from, transport::Fetch& fetch, Time now);
  void on(NodeId from, transport::Chunk& chunk, Time now);
  void on(NodeId from, transport::RosterUpdate& update, Time now);
  void on(NodeId from, transport::ErrorReport& report, Time now);

  // What a plan's coming and going does to streams and stages: machine_plan.cc.
  void activate(Epoch epoch, Time now);
  void lose_plan(const std::string& why, Time now);
  void retire(Time now);
  void follow(NodeId peer, const transport::Beat& beat, Time now);
  void keep_plan(NodeId peer, const transport::Beat& beat);
  void on_joined(NodeId node, Time now);
  void on_died(const MemberChange& change, Time now);
  transport::Beat make_beat(bool leaving);
  transport::Hello make_hello() const;
  std::vector<NodeId> audience() const;
  void beat(Time now);
  void pursue_want(Time now);
  PlanView plan_view(const transport::Propose& plan) const;
  std::string problem(Time now) const;

  Epoch before_;           // the plan that the active one has replaced
  Time retiring_used_at_;  // when the retiring stage last had a stream
  Time next_beat_;
  uint64_t beat_number_ = 0;
  struct Report {
    std::string text;
    Time at;
  };
  std::optional<Report> report_;  // the coordinator's word on why there is no plan
};

}  // namespace weft::mesh

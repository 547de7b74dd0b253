#include "mesh/coordinator.h"

#include <gtest/gtest.h>

#include "mesh/limits.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

// Decisions that show best in a small whole mesh.
class CoordinatorTest : public ::testing::Test {
 protected:
  // The planner's answer: these stages at this speed, whatever is asked.
  void answer(std::vector<uint8_t> nodes, double tps) {
    nodes_ = std::move(nodes);
    tps_ = tps;
    worth_[nodes_] = tps;
  }
  CoordinatorTest() {
    mesh_.config.plan = [this](const partition::PlanRequest& request) -> Result<partition::Plan> {
      ++asked_;
      min_nodes_ = request.min_nodes;
      partition::Plan plan;
      const uint32_t share = kLayers / uint32_t(nodes_.size());
      for (const uint8_t number : nodes_) {
        const bool known = std::any_of(
            request.nodes.begin(), request.nodes.end(),
            [&](const partition::NodeProfile& node) { return node.node == node_id(number); });
        if (!known) return Error(ErrorCode::kUnavailable, "a node is missing");
        const uint32_t first = plan.stages.empty() ? 0 : plan.stages.back().last_layer;
        plan.stages.push_back({node_id(number), first, first + share});
      }
      plan.decode_tps = plan.throughput_tps = tps_;
      return plan;
    };
    mesh_.config.evaluate = [this](const partition::PlanRequest&,
                                   const std::vector<partition::Stage>& stages) {
      std::vector<uint8_t> nodes;
      for (const partition::Stage& stage : stages) nodes.push_back(stage.node.bytes[0]);
      partition::Plan plan;
      plan.decode_tps = plan.throughput_tps = worth_.contains(nodes) ? worth_[nodes] : tps_;
      return Result<partition::Plan>(plan);
    };
  }
  // With room for `slices` whole models on each node.
  static transport::Profile profile(uint8_t number, uint32_t slices = 2) {
    return make_profile(slices * kLayers, number == 1);
  }
  // A link was measured: a better plan may exist.
  void measured() {
    mesh_.with(1, [&](Machine& machine) { machine.set_profile(profile(1, slices_), mesh_.now); });
  }
  Epoch serve(std::vector<uint8_t> start) {
    for (const uint8_t number : start) mesh_.start(number, profile(number, slices_));
    EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }));
    mesh_.run_for(seconds(10));
    return mesh_.view(1).plan.epoch;
  }

  Mesh mesh_;
  uint32_t slices_ = 2;
  std::map<std::vector<uint8_t>, double> worth_{{{1}, 100}};  // by nodes, as answered
  std::vector<uint8_t> nodes_{1};
  double tps_ = 100;
  int asked_ = 0;
  size_t min_nodes_ = 0;
};

TEST_F(CoordinatorTest, ABetterPlanReplacesOneThatServesOnlyIfItIsWorthIt) {
  const Epoch epoch = serve({1});
  answer({1, 2}, 100 * kWorthwhileGain - 1);
  mesh_.start(2, make_profile(kLayers, false));
  mesh_.run_for(seconds(100));
  EXPECT_EQ(mesh_.view(1).plan.epoch, epoch) << "so little is not worth a change";
  answer({1, 2}, 100 * kWorthwhileGain + 1);
  mesh_.start(3, make_profile(kLayers, false));
  ASSERT_TRUE(mesh_.run_until([&] { return mesh_.view(1).plan.stages.size() == 2; }, seconds(10)));
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }));
}

TEST_F(CoordinatorTest, WhatServesIsReckonedByTodaysMeasurementsToo) {
  answer({1}, 100);
  const Epoch epoch = serve({1, 2});
  // Links turn out ten times faster than was assumed, for the old plan as for the new.
  answer({1}, 1000);
  answer({1, 2}, 1100);
  measured();
  mesh_.run_for(seconds(100));
  EXPECT_EQ(mesh_.view(1).plan.epoch, epoch);
}

TEST_F(CoordinatorTest, BetterPlansDoNotFollowEachOtherInAShortTime) {
  Epoch epoch = serve({1, 2, 3});
  const auto changed = [&] { return mesh_.view(1).plan.epoch != epoch; };
  answer({1, 2}, 200);
  measured();
  ASSERT_TRUE(mesh_.run_until(changed, seconds(10)));
  epoch = mesh_.view(1).plan.epoch;
  const Time then = mesh_.now;
  answer({1, 3}, 1000);
  measured();
  ASSERT_TRUE(mesh_.run_until(changed, kVoluntaryEvery + seconds(10)));
  EXPECT_GE(to_seconds(mesh_.now - then), to_seconds(kVoluntaryEvery));

  // And the longer one takes to load, the longer it is to the next.
  epoch = mesh_.view(1).plan.epoch;
  mesh_.load_time = seconds(8);
  mesh_.run_for(kVoluntaryEvery);
  answer({1, 2}, 5000);
  measured();
  ASSERT_TRUE(mesh_.run_until(changed, seconds(20)));
  epoch = mesh_.view(1).plan.epoch;
  answer({1, 3}, 20000);
  measured();
  mesh_.run_for(kVoluntaryLoads * mesh_.load_time - seconds(1));
  EXPECT_FALSE(changed());
  EXPECT_TRUE(mesh_.run_until(changed, seconds(20)));
}

TEST_F(CoordinatorTest, WithoutRoomForBothAPlanIsReplacedOnlyForMuchAndWhileNobodyIsThere) {
  slices_ = 1;
  const Epoch epoch = serve({1, 2});
  const auto changed = [&] { return mesh_.view(1).plan.epoch != epoch; };
  answer({1, 2}, 100 * kWorthwhileGainWithGap - 1);
  measured();
  mesh_.run_for(2 * kIdleBeforeGap);
  EXPECT_FALSE(changed()) << "not for so little";
  answer({1, 2}, 100 * kWorthwhileGainWithGap + 1);
  for (int i = 0; i < 5; ++i) {  // somebody asks now and then
    EXPECT_TRUE(mesh_.ask(2, make_request(5, 5)).result->ok());
    measured();
    EXPECT_FALSE(mesh_.run_until(changed, kIdleBeforeGap - seconds(2)));
  }
  EXPECT_TRUE(mesh_.run_until(changed, seconds(10)));
}

TEST_F(CoordinatorTest, ABetterPlanThatCannotLoadLeavesWhatServes) {
  const Epoch epoch = serve({1, 2});
  mesh_.at(2).on_load = [](const LoadSlice&) { return Error(ErrorCode::kIo, "disk full"); };
  answer({1, 2}, 1000);
  measured();
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(mesh_.ask(2, make_request(5, 5)).result->ok());
    mesh_.run_for(milliseconds(100));
  }
  mesh_.run_for(seconds(10));
  EXPECT_EQ(mesh_.at(2).loads, 1);
  EXPECT_EQ(mesh_.view(1).plan.epoch, epoch);
  EXPECT_TRUE(mesh_.all_active());
}

TEST_F(CoordinatorTest, WhileStreamsRunNothingIsReplaced) {
  const Epoch epoch = serve({1, 2});
  const Result<SessionId> id = mesh_.open(2, make_request(5, 1500));
  ASSERT_TRUE(id.ok());
  mesh_.run_for(milliseconds(60));
  answer({1, 2, 3}, 1000);
  mesh_.start(3, make_profile(kLayers, false));
  mesh_.run_until([&] { return mesh_.stream(2, *id).result.has_value(); });
  EXPECT_TRUE(mesh_.stream(2, *id).result->ok());
  EXPECT_EQ(mesh_.view(1).plan.epoch, epoch);
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.view(1).plan.stages.size() == 3; }, seconds(10)));
}

TEST_F(CoordinatorTest, ThePlannerIsNotAskedOverAndOver) {
  serve({1, 2});
  mesh_.run_for(seconds(10));
  const int before = asked_;
  mesh_.run_for(seconds(300));
  EXPECT_LE(asked_ - before, 3);
}

TEST_F(CoordinatorTest, ARefusalIsShownAndTriedAgainNowAndThen) {
  answer({1, 2}, 100);
  mesh_.start(1, make_profile(kLayers, true));
  mesh_.run_for(seconds(20));
  EXPECT_EQ(mesh_.view(1).problem, "a node is missing");
  EXPECT_LE(asked_, 6);
  mesh_.start(2, make_profile(kLayers, false));
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }, seconds(10)));
  EXPECT_EQ(mesh_.view(1).problem, "");
}

TEST_F(CoordinatorTest, MinNodesHoldsForTheFirstPlanAndYieldsAfterALoss) {
  mesh_.config.min_nodes = 3;
  answer({1, 2, 3}, 100);
  serve({1, 2, 3});
  EXPECT_EQ(min_nodes_, 3u);
  answer({1, 2}, 100);
  mesh_.kill(3);
  ASSERT_TRUE(mesh_.run_until([&] { return mesh_.view(1).plan.stages.size() == 2; }, seconds(5)));
  EXPECT_EQ(min_nodes_, 2u);
}

TEST_F(CoordinatorTest, AStageThatKeepsFailingIsTriedABoundedNumberOfTimes) {
  answer({2}, 100);
  mesh_.start(1, make_profile(kLayers, true));
  mesh_.start(2, make_profile(kLayers, false));
  mesh_.at(2).on_load = [](const LoadSlice&) { return Error(ErrorCode::kIo, "disk full"); };
  mesh_.run_for(seconds(900));
  EXPECT_EQ(mesh_.at(2).loads, kLoadFailuresMax);
  EXPECT_NE(mesh_.view(1).problem.find("node2 (disk full)"), std::string::npos);
  mesh_.at(2).on_load = nullptr;
  mesh_.with(
      2, [&](Machine& machine) { machine.set_profile(make_profile(kLayers, false), mesh_.now); });
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }, seconds(10)))
      << "a new profile is a new chance";
}

TEST_F(CoordinatorTest, AStageThatDiesWhileLoadingIsReplacedAtOnce) {
  mesh_.load_time = seconds(30);
  answer({1, 2}, 100);
  for (const uint8_t number : {1, 2, 3}) mesh_.start(number, make_profile(kLayers, number == 1));
  ASSERT_TRUE(mesh_.run_until([&] { return mesh_.view(1).has_plan; }));
  answer({1, 3}, 100);
  mesh_.kill(2);
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.view(1).plan.stages.back().node == node_id(3); },
                              seconds(4)));
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }, seconds(40)));
}

TEST_F(CoordinatorTest, LostProposalsAndActivationsAreSentAgain) {
  int proposals = 0, activations = 0;
  mesh_.drop = [&](const Send& send, NodeId) {
    if (std::holds_alternative<transport::Propose>(send.message)) return ++proposals <= 2;
    if (std::holds_alternative<transport::Activate>(send.message)) return ++activations <= 2;
    return false;
  };
  answer({1, 2}, 100);
  for (const uint8_t number : {1, 2, 3}) mesh_.start(number, make_profile(kLayers, number == 1));
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }, seconds(10)));
  EXPECT_GT(proposals, 2);
  EXPECT_GT(activations, 2);
}

TEST_F(CoordinatorTest, AnEmptyOrBrokenPlanIsSaidNotProposed) {
  answer({1}, 100);
  nodes_ = {1, 1};
  mesh_.start(1, make_profile(kLayers, true));
  mesh_.run_for(seconds(3));
  EXPECT_FALSE(mesh_.view(1).has_plan);
  EXPECT_NE(mesh_.view(1).problem.find("not a plan"), std::string::npos);
}

TEST_F(CoordinatorTest, TheConfiguredModelIsServedAndNoOther) {
  mesh_.config.model_name = "vast";
  mesh_.start(1, make_profile(kLayers, true));
  mesh_.run_for(seconds(3));
  EXPECT_NE(mesh_.view(1).problem.find("'vast'"), std::string::npos) << mesh_.view(1).problem;
  transport::Profile profile = make_profile(kLayers, true);
  profile.offers.push_back(make_offer(2, "vast"));
  mesh_.start(2, profile);
  ASSERT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }, seconds(10)));
  EXPECT_EQ(mesh_.view(1).plan.model_name, "vast");
}

TEST_F(CoordinatorTest, AWantForAModelThatNobodyHoldsIsRefused) {
  serve({1, 2});
  mesh_.with(2, [&](Machine& machine) { machine.request_model(model_id(7), mesh_.now); });
  mesh_.run_for(milliseconds(100));
  ASSERT_FALSE(mesh_.at(2).others.empty());
  const auto* refused = std::get_if<ModelRefused>(&mesh_.at(2).others.back());
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->error.code, ErrorCode::kNotFound);
  EXPECT_TRUE(mesh_.all_active());
}

TEST_F(CoordinatorTest, AMemberThatCannotReachAStageIsLeftOut) {
  answer({1, 2, 3}, 100);
  // Nodes 2 and 3 never hear each other.
  mesh_.drop = [](const Send& send, NodeId from) {
    return (from == node_id(2) && send.to == node_id(3)) ||
           (from == node_id(3) && send.to == node_id(2));
  };
  for (const uint8_t number : {1, 2, 3}) mesh_.start(number, make_profile(kLayers, number == 1));
  mesh_.run_for(seconds(9));
  answer({1}, 50);
  EXPECT_TRUE(mesh_.run_until([&] { return mesh_.all_active(); }, seconds(20)))
      << mesh_.view(1).problem;
}

}  // namespace
}  // namespace weft::mesh::test

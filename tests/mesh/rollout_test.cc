#include "mesh/rollout.h"

#include <gtest/gtest.h>

#include "mesh/limits.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

class RolloutTest : public ::testing::Test {
 protected:
  RolloutTest() {
    members_.on_hello(node_id(2), 1, now_);
    members_.on_hello(node_id(3), 1, now_);
  }
  static transport::Propose plan(uint64_t counter, std::vector<uint8_t> nodes) {
    transport::Propose plan;
    plan.epoch = Epoch{counter << 16};
    plan.model = model_id(1);
    plan.layer_count = uint32_t(nodes.size());
    uint32_t layer = 0;
    for (const uint8_t number : nodes) {
      plan.stages.push_back({node_id(number), layer, layer + 1});
      ++layer;
    }
    return plan;
  }
  // The effects of a kind, or the messages of a kind, since the last call.
  template <typename Kind>
  std::vector<Kind> take() {
    std::vector<Kind> found;
    for (const Effect& effect : outbox_.take_effects()) {
      if constexpr (std::is_constructible_v<transport::Message, Kind>) {
        const auto* send = std::get_if<Send>(&effect);
        const auto* kind = send ? std::get_if<Kind>(&send->message) : nullptr;
        if (kind) found.push_back(*kind);
      } else if (const auto* kind = std::get_if<Kind>(&effect)) {
        found.push_back(*kind);
      }
    }
    return found;
  }

  Time now_{seconds(10).count()};
  Outbox outbox_{node_id(1)};
  Membership members_{node_id(1), "one", 7, now_};
  Rollout rollout_{outbox_, members_, 384};
};

TEST_F(RolloutTest, AStageLoadsItsLayersAndSaysReadyToAll) {
  transport::Propose proposal = plan(1, {2, 1});
  proposal.kv_type = KvType::kQ8_0;
  EXPECT_TRUE(rollout_.on_propose(node_id(2), proposal, false, now_));
  const auto loads = take<LoadSlice>();
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].kv_type, KvType::kQ8_0);
  EXPECT_EQ(loads[0].first_layer, 1u);
  EXPECT_EQ(loads[0].last_layer, 2u);
  EXPECT_EQ(loads[0].rows_max, 384u);
  EXPECT_FALSE(rollout_.activate(Epoch{1 << 16})) << "not before it is loaded";
  rollout_.on_slice_loaded(Epoch{1 << 16}, {}, now_);
  EXPECT_EQ(take<transport::Ready>().size(), 2u);
  EXPECT_TRUE(rollout_.activate(Epoch{1 << 16}));
  EXPECT_FALSE(rollout_.activate(Epoch{1 << 16})) << "once";
  EXPECT_EQ(rollout_.active_epoch(), Epoch{1 << 16});
}

TEST_F(RolloutTest, AMemberWithoutAStageKeepsThePlanAndDropsItsOldLayers) {
  rollout_.on_propose(node_id(2), plan(1, {1}), false, now_);
  take<LoadSlice>();
  EXPECT_TRUE(rollout_.on_propose(node_id(2), plan(2, {2, 3}), false, now_));
  EXPECT_EQ(take<DropSlices>().size(), 1u);
  EXPECT_TRUE(rollout_.activate(Epoch{2 << 16}));
}

TEST_F(RolloutTest, TheActivePlanServesUntilTheNextIsActiveIfThereIsRoomForBoth) {
  rollout_.on_propose(node_id(2), plan(1, {1}), false, now_);
  rollout_.on_slice_loaded(Epoch{1 << 16}, {}, now_);
  EXPECT_TRUE(rollout_.awaits(Epoch{1 << 16}));
  ASSERT_TRUE(rollout_.activate(Epoch{1 << 16}));
  EXPECT_FALSE(rollout_.awaits(Epoch{1 << 16}));
  take<LoadSlice>();
  ASSERT_TRUE(rollout_.on_propose(node_id(2), plan(2, {2, 1}), true, now_));
  const auto loads = take<LoadSlice>();
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(loads[0].keep, Epoch{1 << 16});
  EXPECT_EQ(rollout_.active_epoch(), Epoch{1 << 16});
  EXPECT_TRUE(rollout_.needs(node_id(1)));
  EXPECT_FALSE(rollout_.needs(node_id(2)));
  EXPECT_FALSE(rollout_.activate(Epoch{2 << 16}));
  rollout_.on_slice_loaded(Epoch{2 << 16}, {}, now_);
  ASSERT_TRUE(rollout_.activate(Epoch{2 << 16}));
  EXPECT_EQ(rollout_.active_epoch(), Epoch{2 << 16});
}

TEST_F(RolloutTest, ANodeThatTheNextPlanHasNoUseForKeepsItsLayersUntilThen) {
  rollout_.on_propose(node_id(2), plan(1, {1}), false, now_);
  rollout_.on_slice_loaded(Epoch{1 << 16}, {}, now_);
  ASSERT_TRUE(rollout_.activate(Epoch{1 << 16}));
  ASSERT_TRUE(rollout_.on_propose(node_id(2), plan(2, {2}), true, now_));
  EXPECT_TRUE(take<DropSlices>().empty());
  ASSERT_TRUE(rollout_.on_propose(node_id(2), plan(3, {2}), false, now_));
  EXPECT_EQ(take<DropSlices>().size(), 1u) << "no room for both";
  EXPECT_EQ(rollout_.active(), nullptr);
}

TEST_F(RolloutTest, AnOlderPlanIsAnsweredStale) {
  rollout_.on_propose(node_id(2), plan(2, {2}), false, now_);
  take<DropSlices>();
  EXPECT_FALSE(rollout_.on_propose(node_id(3), plan(1, {3}), false, now_));
  const auto stale = take<transport::Stale>();
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].epoch, Epoch{2 << 16});
  EXPECT_EQ(rollout_.plan()->stages[0].node, node_id(2));
}

TEST_F(RolloutTest, ARepeatedPlanIsAnsweredAgainWithoutLoadingTwice) {
  rollout_.on_propose(node_id(2), plan(1, {1}), false, now_);
  rollout_.on_slice_loaded(Epoch{1 << 16}, {}, now_);
  outbox_.take_effects();
  EXPECT_FALSE(rollout_.on_propose(node_id(2), plan(1, {1}), false, now_));
  EXPECT_FALSE(take<transport::Ready>().empty());
  EXPECT_FALSE(rollout_.on_propose(node_id(2), plan(1, {2}), false, now_))
      << "another plan, same epoch";
  EXPECT_EQ(rollout_.plan()->stages[0].node, node_id(1));
}

TEST_F(RolloutTest, AFailureIsSaidWithItsReason) {
  rollout_.on_propose(node_id(2), plan(1, {1}), false, now_);
  take<LoadSlice>();
  rollout_.on_slice_loaded(Epoch{1 << 16}, Error(ErrorCode::kIo, "disk full"), now_);
  const auto ready = take<transport::Ready>();
  ASSERT_FALSE(ready.empty());
  EXPECT_EQ(ready[0].error, "disk full");
  EXPECT_FALSE(rollout_.activate(Epoch{1 << 16}));
}

TEST_F(RolloutTest, AStageWaitsForItsFellowsAndThenSaysWhomItCannotReach) {
  rollout_.on_propose(node_id(2), plan(1, {1, 8}), false, now_);
  rollout_.on_slice_loaded(Epoch{1 << 16}, {}, now_);
  EXPECT_TRUE(take<transport::Ready>().empty());
  rollout_.tick(now_ + (kReachWithin - milliseconds(1)));
  EXPECT_TRUE(take<transport::Ready>().empty());
  rollout_.tick(now_ + kReachWithin);
  const auto ready = take<transport::Ready>();
  ASSERT_FALSE(ready.empty());
  EXPECT_NE(ready[0].error.find("cannot reach"), std::string::npos);
}

TEST_F(RolloutTest, AFellowThatComesUpInTimeMakesItReady) {
  rollout_.on_propose(node_id(2), plan(1, {1, 8}), false, now_);
  rollout_.on_slice_loaded(Epoch{1 << 16}, {}, now_);
  members_.on_hello(node_id(8), 1, now_);
  rollout_.tick(now_ + milliseconds(50));
  const auto ready = take<transport::Ready>();
  ASSERT_FALSE(ready.empty());
  EXPECT_EQ(ready[0].error, "");
  EXPECT_EQ(ready[0].progress, 1);
}

TEST_F(RolloutTest, ALostPlanIsActiveAgainOnlyOnceItsNodeIsBack) {
  rollout_.on_propose(node_id(2), plan(1, {2, 3}), false, now_);
  rollout_.activate(Epoch{1 << 16});
  EXPECT_FALSE(rollout_.needs(node_id(9))) << "it has no layers";
  members_.on_link_down(node_id(3), now_);
  members_.tick(now_ + kBrokenLinkDeadAfter / 2);
  members_.tick(now_ + kBrokenLinkDeadAfter);
  ASSERT_FALSE(members_.is_alive(node_id(3)));
  EXPECT_TRUE(rollout_.needs(node_id(3)));
  rollout_.lose();
  EXPECT_EQ(rollout_.active(), nullptr);
  EXPECT_FALSE(rollout_.activate(Epoch{1 << 16}));
  members_.on_hello(node_id(3), 2, now_ + seconds(2));
  EXPECT_TRUE(rollout_.activate(Epoch{1 << 16}));
}

TEST_F(RolloutTest, ProgressIsSaidNowAndThenAndKeptForOthers) {
  rollout_.on_propose(node_id(2), plan(1, {1, 2}), false, now_);
  take<LoadSlice>();
  for (int i = 0; i < 100; ++i) {
    rollout_.on_load_progress(Epoch{1 << 16}, float(i) / 100, now_ + milliseconds(i));
  }
  EXPECT_EQ(take<transport::Ready>().size(), 2u) << "one report to each of two others";
  EXPECT_NEAR(rollout_.progress(node_id(1)), 0.99, 0.001);
  rollout_.on_ready(node_id(2), {Epoch{1 << 16}, 0.4f, {}, ""});
  EXPECT_FLOAT_EQ(rollout_.progress(node_id(2)), 0.4f);
  rollout_.on_ready(node_id(2), {Epoch{5}, 0.9f, {}, ""});
  EXPECT_FLOAT_EQ(rollout_.progress(node_id(2)), 0.4f);
}

}  // namespace
}  // namespace weft::mesh::test

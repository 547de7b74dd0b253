#include "partition/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::partition {
namespace {

using ::testing::HasSubstr;

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes[0] = number;
  return id;
}

PlanRequest random_request(Random& random, size_t node_count, size_t layer_count) {
  PlanRequest request;
  request.model.hidden_dim = 256;
  request.model.kv_bytes_per_token_layer = 512;
  request.model.kv_tokens = 1000;
  for (size_t l = 0; l < layer_count; ++l) {
    request.model.layers.push_back({1'000'000 + random.below(3'000'000), 2'000'000, 12});
  }
  request.model.embedding = {2'000'000, 0, 12};
  request.model.head = {4'000'000, 8'000'000, 14};
  for (size_t n = 0; n < node_count; ++n) {
    NodeProfile node;
    node.node = node_id(uint8_t(n + 1));
    node.name = "node-" + std::to_string(n);
    node.memory_bytes = 8'000'000 + random.below(22'000'000);
    node.layer_overhead_s = 1e-5 * random.uniform();
    node.speeds = {{12, 1e8 + 4e9 * random.uniform(), 1e9 + 9e9 * random.uniform()},
                   {14, 1e8 + 4e9 * random.uniform(), 1e9}};
    request.nodes.push_back(node);
  }
  for (const NodeProfile& from : request.nodes) {
    for (const NodeProfile& to : request.nodes) {
      request.links.push_back({from.node, to.node, 0.003 * random.uniform(),
                               1e6 + 1e8 * random.uniform()});
    }
  }
  if (random.below(2) == 0) request.head = request.nodes[random.below(node_count)].node;
  request.objective = random.below(2) == 0 ? Objective::kLatency : Objective::kThroughput;
  return request;
}

double figure(const PlanRequest& request, const Plan& plan) {
  return request.objective == Objective::kLatency ? plan.decode_tps : plan.throughput_tps;
}

// Tries every ordered subset of nodes and every cut; returns the best figure, 0 if nothing fits.
double brute_force(const PlanRequest& request) {
  double best = 0;
  const uint32_t layers = uint32_t(request.model.layers.size());
  std::vector<size_t> order(request.nodes.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    for (size_t used = 1; used <= order.size() && used <= layers; ++used) {
      // Cuts are a choice of used-1 of the layers-1 places between layers.
      std::vector<bool> cut(layers - 1, false);
      std::fill(cut.end() - long(used - 1), cut.end(), true);
      do {
        std::vector<Stage> stages;
        uint32_t first = 0;
        for (uint32_t l = 1; l <= layers; ++l) {
          if (l < layers && !cut[l - 1]) continue;
          stages.push_back({request.nodes[order[stages.size()]].node, first, l});
          first = l;
        }
        const auto plan = evaluate(request, stages);
        if (plan.ok()) best = std::max(best, figure(request, *plan));
      } while (std::next_permutation(cut.begin(), cut.end()));
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(Planner, IsAsGoodAsBruteForceOnRandomSmallMeshes) {
  const uint64_t seed = test::test_seed(7);
  int planned = 0;
  for (uint64_t round = 0; round < 150; ++round) {
    Random random(seed * 1000 + round);
    const PlanRequest request = random_request(random, 1 + random.below(4), 1 + random.below(6));
    const double best = brute_force(request);
    const auto found = plan(request);
    ASSERT_EQ(found.ok(), best > 0) << "round " << round;
    if (!found.ok()) continue;
    ++planned;
    EXPECT_NEAR(figure(request, *found) / best, 1.0, 1e-9) << "round " << round;
    EXPECT_TRUE(found->exact);
  }
  EXPECT_GT(planned, 50);
}

TEST(Planner, CoversEveryLayerOnceInOrderWithinMemory) {
  Random random(test::test_seed(11));
  for (int round = 0; round < 40; ++round) {
    const PlanRequest request = random_request(random, 3 + random.below(10), 8 + random.below(20));
    const auto found = plan(request);
    if (!found.ok()) continue;
    uint32_t next = 0;
    for (const Stage& stage : found->stages) {
      EXPECT_EQ(stage.first_layer, next);
      EXPECT_GT(stage.last_layer, stage.first_layer);
      next = stage.last_layer;
      const auto node = std::find_if(request.nodes.begin(), request.nodes.end(),
                                     [&](const NodeProfile& n) { return n.node == stage.node; });
      EXPECT_LE(stage.memory_bytes, node->memory_bytes);
    }
    EXPECT_EQ(next, request.model.layers.size());
    EXPECT_EQ(found->stages.size() + found->left_out.size(), request.nodes.size());
  }
}

TEST(Planner, LeavesOutANodeThatWouldMakeItSlowerAndSaysSo) {
  Random random(3);
  PlanRequest request = random_request(random, 2, 6);
  request.objective = Objective::kLatency;
  request.head = {};
  for (NodeProfile& node : request.nodes) node.memory_bytes = 1'000'000'000;
  request.nodes[0].speeds = {{12, 10e9, 1e11}};
  request.nodes[1].speeds = {{12, 0.1e9, 1e9}};
  const auto found = plan(request);
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->stages.size(), 1u);
  EXPECT_EQ(found->stages[0].node, request.nodes[0].node);
  ASSERT_EQ(found->left_out.size(), 1u);
  EXPECT_THAT(found->left_out[0].reason, HasSubstr("would make it slower"));
  EXPECT_LT(found->left_out[0].decode_tps_with, found->decode_tps);
}

TEST(Planner, SplitsAModelThatNoNodeHoldsAlone) {
  Random random(5);
  PlanRequest request = random_request(random, 3, 9);
  const uint64_t whole = stage_memory(request.model, 0, 9);
  for (NodeProfile& node : request.nodes) node.memory_bytes = whole * 2 / 3;
  const auto found = plan(request);
  ASSERT_TRUE(found.ok());
  EXPECT_GE(found->stages.size(), 2u);
}

TEST(Planner, GivesTheFasterNodeMoreLayersWhenManyUsersShareIt) {
  Random random(5);
  PlanRequest request = random_request(random, 2, 12);
  request.objective = Objective::kThroughput;
  request.head = {};
  for (LayerCost& layer : request.model.layers) layer.bytes = 2'000'000;
  for (NodeProfile& node : request.nodes) node.memory_bytes = 1'000'000'000;
  request.nodes[0].speeds = {{12, 3e8, 1e11}, {14, 3e8, 1e11}};
  request.nodes[1].speeds = {{12, 1e8, 1e10}, {14, 1e8, 1e10}};
  const auto found = plan(request);
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->stages.size(), 2u);
  uint32_t fast = 0, slow = 0;
  for (const Stage& stage : found->stages) {
    (stage.node == request.nodes[0].node ? fast : slow) += stage.last_layer - stage.first_layer;
  }
  EXPECT_GT(fast, slow);
  EXPECT_GT(found->throughput_tps, found->decode_tps);
}

TEST(Planner, UsesAtLeastTheNodesAskedFor) {
  Random random(5);
  PlanRequest request = random_request(random, 3, 9);
  for (NodeProfile& node : request.nodes) node.memory_bytes = 1'000'000'000;
  request.min_nodes = 3;
  const auto found = plan(request);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->stages.size(), 3u);
  request.min_nodes = 4;
  const auto refused = plan(request);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("at least 4 nodes"));
}

TEST(Planner, RefusesAModelThatFitsNowhereAndSaysWhatIsMissing) {
  Random random(5);
  PlanRequest request = random_request(random, 2, 9);
  for (NodeProfile& node : request.nodes) node.memory_bytes = 7'000'000;
  const auto refused = plan(request);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message, HasSubstr("needs"));
  EXPECT_THAT(refused.error().message, HasSubstr("2 nodes offer 13 MiB"));
}

TEST(Planner, RefusesImpossibleRequests) {
  EXPECT_EQ(plan({}).error().code, ErrorCode::kInvalid);
  Random random(5);
  PlanRequest request = random_request(random, 2, 3);
  request.nodes[1].node = request.nodes[0].node;
  EXPECT_THAT(plan(request).error().message, HasSubstr("listed twice"));
  request.nodes.clear();
  EXPECT_EQ(plan(request).error().code, ErrorCode::kUnavailable);
}

TEST(Planner, EvaluateRefusesStagesThatDoNotCoverTheLayers) {
  Random random(5);
  PlanRequest request = random_request(random, 2, 4);
  for (NodeProfile& node : request.nodes) node.memory_bytes = 1'000'000'000;
  const NodeId a = request.nodes[0].node, b = request.nodes[1].node;
  EXPECT_TRUE(evaluate(request, {{a, 0, 2}, {b, 2, 4}}).ok());
  EXPECT_FALSE(evaluate(request, {{a, 0, 2}, {b, 3, 4}}).ok());
  EXPECT_FALSE(evaluate(request, {{a, 0, 2}}).ok());
  EXPECT_FALSE(evaluate(request, {{node_id(99), 0, 4}}).ok());
}

}  // namespace
}  // namespace weft::partition

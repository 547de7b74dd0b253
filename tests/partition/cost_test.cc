#include "partition/cost.h"

#include <gtest/gtest.h>

namespace weft::partition {
namespace {

NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes[0] = number;
  return id;
}

TEST(Cost, UnknownLinksAndTypesTakeTheStatedDefaults) {
  PlanRequest request;
  request.model.hidden_dim = 1024;
  request.model.layers = {{1'000'000, 2'000'000, 99}};
  request.nodes = {{node_id(1), "a", 1u << 30, 0, {}}, {node_id(2), "b", 1u << 30, 0, {}}};
  const CostModel costs(request);
  EXPECT_NEAR(costs.hop(0, 1),
              kLinkRoundTripDefault / 2 + (4096 + 128) / kLinkBytesPerSecondDefault, 1e-9);
  EXPECT_EQ(costs.hop(0, 0), 0);
  EXPECT_GT(costs.stage(0, 0, 1).decode_s, 0);
}

// Experts that a token does not go to take memory and no time; a window bounds the KV cache.
TEST(Cost, ALayerMayReadLessThanItHoldsAndKeepLessThanTheContext) {
  PlanRequest request;
  request.model.layers = {{1'000'000, 100'000, 1, 0, 900'000}, {1'000'000, 1'000'000, 1, 64}};
  request.model.kv_bytes_per_token_layer = 100;
  request.model.kv_tokens = 1000;
  request.model.scratch_bytes = 7;
  request.nodes = {{node_id(1), "a", 1u << 30, 0, {{1, 1e9, 2e9}}}};
  const CostModel costs(request);
  EXPECT_NEAR(costs.stage(0, 0, 1).decode_s, 1e-4, 1e-12);
  EXPECT_NEAR(costs.stage(0, 0, 1).prefill_s, 1e-4, 1e-12);
  EXPECT_NEAR(costs.stage(0, 1, 2).decode_s, 1e-3, 1e-12);
  EXPECT_EQ(stage_memory(request.model, 0, 1), 1'000'000u + 100'000 + 7);
  EXPECT_EQ(stage_memory(request.model, 0, 2), 2'000'000u + 100'000 + 6'400 + 7);
  request.model.kv_tokens = 32;
  EXPECT_EQ(stage_memory(request.model, 1, 2), 1'000'000u + 3'200 + 7);
  request.model.embedding = {500, 0, 1};
  request.model.head = {600, 0, 1};
  request.model.tied_bytes = 450;
  EXPECT_EQ(stage_memory(request.model, 0, 2) - stage_memory(request.model, 1, 2),
            stage_memory(request.model, 0, 1) - 7 - 450) << "a stage with both has it once";
}

// The last layers that fit the fast memory are fast, those before them are slow.
TEST(Cost, AStageBeyondTheFastMemoryIsSlowInItsFirstLayers) {
  PlanRequest request;
  request.model.layers.assign(4, {1'000'000, 1'000'000, 1});
  request.model.head = {500'000, 500'000, 1};
  NodeProfile gpu{node_id(1), "gpu", 1u << 30, 0, {{1, 1e9, 2e9}}};
  gpu.fast_memory_bytes = 2'600'000;
  gpu.slow_speeds = {{1, 1e8, 2e8}};
  request.nodes = {gpu};
  const CostModel costs(request);
  const double fast_s = 1e-3, slow_s = 1e-2, head_s = 0.5e-3;
  EXPECT_NEAR(costs.stage(0, 2, 4).decode_s, 2 * fast_s + head_s, 1e-9);
  EXPECT_NEAR(costs.stage(0, 0, 4).decode_s, 2 * slow_s + 2 * fast_s + head_s, 1e-9);
  EXPECT_NEAR(costs.stage(0, 0, 2).decode_s, 2 * fast_s, 1e-9);
  EXPECT_NEAR(costs.stage(0, 0, 3).decode_s, slow_s + 2 * fast_s, 1e-9);
  EXPECT_NEAR(costs.stage(0, 0, 4).prefill_s, 2 * slow_s + 2 * fast_s, 1e-9);
  EXPECT_EQ(costs.reach(0, 0), 4u) << "the slow memory counts";

  request.nodes[0].fast_memory_bytes = 100;
  EXPECT_NEAR(CostModel(request).stage(0, 0, 4).decode_s, 4 * slow_s + 10 * head_s, 1e-9);
}

}  // namespace
}  // namespace weft::partition

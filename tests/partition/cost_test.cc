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

}  // namespace
}  // namespace weft::partition

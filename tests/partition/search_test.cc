#include "partition/search.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::partition {
namespace {

PlanRequest random_mesh(Random& random, size_t node_count) {
  PlanRequest request;
  request.model.hidden_dim = 512;
  for (size_t l = 0; l < 16; ++l) request.model.layers.push_back({3'000'000, 6'000'000, 12});
  request.model.head = {4'000'000, 8'000'000, 12};
  for (size_t n = 0; n < node_count; ++n) {
    NodeId id;
    id.bytes[0] = uint8_t(n + 1);
    request.nodes.push_back({id, "n", 20'000'000 + random.below(40'000'000), 1e-5,
                             {{12, 1e8 + 2e9 * random.uniform(), 1e10}}});
  }
  for (const NodeProfile& from : request.nodes) {
    for (const NodeProfile& to : request.nodes) {
      request.links.push_back({from.node, to.node, 0.002 * random.uniform(), 1e7});
    }
  }
  return request;
}

TEST(Search, HeuristicIsNeverBetterThanExactAndOnAverageWithinFivePercent) {
  Random random(test::test_seed(21));
  for (const Objective objective : {Objective::kLatency, Objective::kThroughput}) {
    double gap_sum = 0, gap_max = 0;
    int compared = 0;
    for (int round = 0; round < 30; ++round) {
      const PlanRequest request = random_mesh(random, 6);
      const CostModel costs(request);
      Score exact;
      for (const SearchResult& result : search_exact(costs, objective)) {
        if (result.score < exact) exact = result.score;
      }
      const SearchResult near =
          search_heuristic(costs, objective, 1, costs.node_count(), kHeuristicStepsMax);
      ASSERT_EQ(near.score.finite(), exact.finite());
      if (!exact.finite()) continue;
      const double gap = near.score.primary / exact.primary - 1;
      EXPECT_GE(gap, -1e-9);
      gap_sum += gap;
      gap_max = std::max(gap_max, gap);
      ++compared;
    }
    ASSERT_GT(compared, 10);
    std::printf("gap to exact: mean %.2f %%, largest %.2f %%\n", 100 * gap_sum / compared,
                100 * gap_max);
    EXPECT_LT(gap_sum / compared, 0.05);
  }
}

TEST(Search, HeuristicUsesARequiredNode) {
  Random random(test::test_seed(22));
  const PlanRequest request = random_mesh(random, 10);
  const CostModel costs(request);
  for (size_t node = 0; node < 10; ++node) {
    const SearchResult found =
        search_heuristic(costs, Objective::kThroughput, 1, node, kHeuristicStepsMax);
    ASSERT_TRUE(found.score.finite());
    EXPECT_TRUE(std::any_of(found.stages.begin(), found.stages.end(),
                            [&](const Placement& p) { return p.node == node; }));
  }
}

}  // namespace
}  // namespace weft::partition

// Searches for the best stages. Both walk the same costs and return the same kind of answer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "partition/cost.h"

namespace weft::partition {

// What a search minimizes: `primary` first, then `secondary` among equals.
//   kLatency: sum of stages and hops, then the slowest of them; kThroughput: the other way round.
struct Score {
  double primary = std::numeric_limits<double>::infinity();
  double secondary = std::numeric_limits<double>::infinity();
  auto operator<=>(const Score&) const = default;
  bool finite() const { return primary < std::numeric_limits<double>::infinity(); }
};

struct Placement {
  size_t node;
  uint32_t first_layer, last_layer;
};

struct SearchResult {
  Score score;
  std::vector<Placement> stages;  // empty: nothing fits
};

// A partial plan's two figures, and how the objective orders them.
struct Figures {
  double latency_s = 0;     // sum so far
  double bottleneck_s = 0;  // slowest stage or hop so far
  Figures then(double stage_s, double hop_s) const {
    return {latency_s + stage_s + hop_s, std::max({bottleneck_s, stage_s, hop_s})};
  }
  Score score(Objective objective) const {
    return objective == Objective::kLatency ? Score{latency_s, bottleneck_s}
                                            : Score{bottleneck_s, latency_s};
  }
};

// The best plan of each set of nodes, over every order and every cut: best[set], set a bit mask.
// node_count <= kExactNodesMax. For kLatency the answer is exact. For kThroughput the bottleneck is
// exact; among plans of one bottleneck the latency is the best that the search keeps.
std::vector<SearchResult> search_exact(const CostModel& costs, Objective objective);

// For more nodes: several fixed orders of the nodes (fast first, near first, slow first), in each
// the best cuts with nodes skipped freely, then swaps of neighbours while they help and the budget
// of steps lasts. The three starting orders are always tried.
//   must_use  a node the plan has to use, or node_count for none
//   steps     cells offered; about 100 million a second
SearchResult search_heuristic(const CostModel& costs, Objective objective, size_t min_nodes,
                              size_t must_use, uint64_t steps);
inline constexpr uint64_t kHeuristicStepsMax = 40'000'000;

}  // namespace weft::partition

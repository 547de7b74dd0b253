#include "partition/search.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/assert.h"

namespace weft::partition {
namespace {

// ---- exact ----

// One cell of the table: layers [0, layer) are placed on `set`, the last stage on `last`.
struct Cell {
  Figures figures;
  bool reached = false;
  uint8_t first_node = 0;      // the hop home depends on it
  uint8_t previous_node = 0;
  uint16_t previous_layer = 0;
};

// The first node decides the way home, so the table is filled once per first node.
class ExactTable {
 public:
  ExactTable(const CostModel& costs, Objective objective, size_t first)
      : costs_(costs), objective_(objective), first_(first), nodes_(costs.node_count()),
        layers_(costs.layer_count()),
        cells_((size_t(1) << nodes_) * nodes_ * (layers_ + 1)) {
    const uint32_t set = 1u << first;
    for (uint32_t l = 1; l <= costs.reach(first, 0); ++l) {
      Cell& cell = at(set, first, l);
      cell.figures = Figures{}.then(costs.decode_s(first, 0, l), 0);
      cell.reached = true;
    }
    for (uint32_t s = set; s < (1u << nodes_); ++s) {
      if (!(s & set)) continue;
      for (size_t last = 0; last < nodes_; ++last) {
        if (s >> last & 1) extend(s, last);
      }
    }
  }

  SearchResult best_of(uint32_t set) const {
    SearchResult best;
    size_t best_last = nodes_;
    for (size_t last = 0; last < nodes_; ++last) {
      if (!(set >> last & 1)) continue;
      const Cell& cell = at(set, last, layers_);
      if (!cell.reached) continue;
      const Score score = cell.figures.then(0, costs_.home(last, first_)).score(objective_);
      if (score < best.score) {
        best.score = score;
        best_last = last;
      }
    }
    if (best_last < nodes_) best.stages = trace(set, best_last);
    return best;
  }

 private:
  Cell& at(uint32_t set, size_t last, uint32_t layer) {
    return cells_[(size_t(set) * nodes_ + last) * (layers_ + 1) + layer];
  }
  const Cell& at(uint32_t set, size_t last, uint32_t layer) const {
    return cells_[(size_t(set) * nodes_ + last) * (layers_ + 1) + layer];
  }

  void extend(uint32_t set, size_t last) {
    for (uint32_t l = 1; l < layers_; ++l) {
      const Cell& from = at(set, last, l);
      if (!from.reached) continue;
      for (size_t next = 0; next < nodes_; ++next) {
        if (set >> next & 1) continue;
        const double hop_s = costs_.hop(last, next);
        const uint32_t reach = costs_.reach(next, l);
        for (uint32_t m = l + 1; m <= reach; ++m) {
          const Figures figures = from.figures.then(costs_.decode_s(next, l, m), hop_s);
          Cell& to = at(set | 1u << next, next, m);
          if (to.reached && !(figures.score(objective_) < to.figures.score(objective_))) continue;
          to = {figures, true, uint8_t(first_), uint8_t(last), uint16_t(l)};
        }
      }
    }
  }

  std::vector<Placement> trace(uint32_t set, size_t last) const {
    std::vector<Placement> stages;
    uint32_t layer = layers_;
    while (true) {
      const Cell& cell = at(set, last, layer);
      stages.push_back({last, cell.previous_layer, layer});
      if (cell.previous_layer == 0) break;
      set &= ~(1u << last);
      layer = cell.previous_layer;
      last = cell.previous_node;
    }
    std::reverse(stages.begin(), stages.end());
    return stages;
  }

  const CostModel& costs_;
  const Objective objective_;
  const size_t first_;
  const size_t nodes_;
  const uint32_t layers_;
  std::vector<Cell> cells_;
};

// ---- heuristic ----

struct OrderedCell {
  Figures figures;
  bool reached = false;
  size_t previous = 0;         // index in the order
  uint32_t previous_layer = 0;
  uint32_t stage_count = 0;
  bool used_required = false;
  size_t first = 0;            // node of the first stage
};

// The best cuts with the nodes in this order, any of them skipped.
SearchResult search_order(const CostModel& costs, Objective objective,
                          const std::vector<size_t>& order, size_t min_nodes, size_t must_use) {
  const uint32_t layers = costs.layer_count();
  std::vector<OrderedCell> cells(order.size() * (layers + 1));
  const auto at = [&](size_t k, uint32_t l) -> OrderedCell& { return cells[k * (layers + 1) + l]; };
  const auto offer = [&](size_t k, uint32_t l, const OrderedCell& candidate) {
    OrderedCell& cell = at(k, l);
    // Plans still short of the required nodes lose to those that have them.
    const auto rank = [&](const OrderedCell& c) {
      return std::pair(-int64_t(std::min<size_t>(c.stage_count, min_nodes)) - c.used_required,
                       c.figures.score(objective));
    };
    if (!cell.reached || rank(candidate) < rank(cell)) cell = candidate;
  };
  for (size_t k = 0; k < order.size(); ++k) {
    const size_t node = order[k];
    for (uint32_t l = 1; l <= costs.reach(node, 0); ++l) {
      offer(k, l, {Figures{}.then(costs.decode_s(node, 0, l), 0), true, k, 0, 1,
                   node == must_use, node});
    }
    for (size_t j = 0; j < k; ++j) {
      const double hop_s = costs.hop(order[j], node);
      for (uint32_t from = 1; from < layers; ++from) {
        const OrderedCell before = at(j, from);
        if (!before.reached) continue;
        for (uint32_t l = from + 1; l <= costs.reach(node, from); ++l) {
          offer(k, l, {before.figures.then(costs.decode_s(node, from, l), hop_s), true, j, from,
                       before.stage_count + 1, before.used_required || node == must_use,
                       before.first});
        }
      }
    }
  }
  SearchResult best;
  for (size_t k = 0; k < order.size(); ++k) {
    const OrderedCell& cell = at(k, layers);
    if (!cell.reached || cell.stage_count < min_nodes) continue;
    if (must_use < costs.node_count() && !cell.used_required) continue;
    const Score score =
        cell.figures.then(0, costs.home(order[k], cell.first)).score(objective);
    if (!(score < best.score)) continue;
    best = {score, {}};
    size_t at_k = k;
    for (uint32_t l = layers; l > 0;) {
      const OrderedCell& step = at(at_k, l);
      best.stages.push_back({order[at_k], step.previous_layer, l});
      l = step.previous_layer;
      at_k = step.previous;
    }
    std::reverse(best.stages.begin(), best.stages.end());
  }
  return best;
}

std::vector<std::vector<size_t>> starting_orders(const CostModel& costs) {
  const size_t n = costs.node_count();
  const uint32_t layers = costs.layer_count();
  std::vector<size_t> by_speed(n);
  std::iota(by_speed.begin(), by_speed.end(), 0);
  std::stable_sort(by_speed.begin(), by_speed.end(), [&](size_t a, size_t b) {
    return costs.stage(a, 0, layers).decode_s < costs.stage(b, 0, layers).decode_s;
  });
  // Each next node is the one nearest to the last: hops are what a pipeline pays per stage.
  std::vector<size_t> by_nearness = {by_speed[0]};
  std::vector<bool> taken(n);
  taken[by_speed[0]] = true;
  while (by_nearness.size() < n) {
    size_t nearest = n;
    for (const size_t candidate : by_speed) {
      if (taken[candidate]) continue;
      if (nearest == n || costs.hop(by_nearness.back(), candidate) <
                              costs.hop(by_nearness.back(), nearest)) {
        nearest = candidate;
      }
    }
    taken[nearest] = true;
    by_nearness.push_back(nearest);
  }
  const std::vector<size_t> slow_first(by_speed.rbegin(), by_speed.rend());
  return {by_speed, by_nearness, slow_first};
}

}  // namespace

std::vector<SearchResult> search_exact(const CostModel& costs, Objective objective) {
  const size_t n = costs.node_count();
  WEFT_ASSERT(n > 0 && n <= kExactNodesMax);
  std::vector<SearchResult> best(size_t(1) << n);
  for (size_t first = 0; first < n; ++first) {
    const ExactTable table(costs, objective, first);
    for (uint32_t set = 1; set < best.size(); ++set) {
      if (!(set >> first & 1)) continue;
      SearchResult result = table.best_of(set);
      if (result.score < best[set].score) best[set] = std::move(result);
    }
  }
  return best;
}

SearchResult search_heuristic(const CostModel& costs, Objective objective, size_t min_nodes,
                              size_t must_use, uint64_t steps) {
  const uint64_t n = costs.node_count(), layers = costs.layer_count();
  const uint64_t steps_per_order = std::max<uint64_t>(n * n * layers * layers / 4, 1);
  std::vector<std::vector<size_t>> orders = starting_orders(costs);
  const uint64_t orders_max = std::max<uint64_t>(steps / steps_per_order, orders.size());
  uint64_t orders_tried = 0;
  std::vector<SearchResult> found;
  for (const std::vector<size_t>& order : orders) {
    found.push_back(search_order(costs, objective, order, min_nodes, must_use));
    ++orders_tried;
  }
  const size_t best = size_t(std::min_element(found.begin(), found.end(),
                                              [](const SearchResult& a, const SearchResult& b) {
                                                return a.score < b.score;
                                              }) - found.begin());
  SearchResult here = std::move(found[best]);
  std::vector<size_t>& order = orders[best];
  for (bool improved = true; improved;) {
    improved = false;
    for (size_t i = 0; i + 1 < n && orders_tried < orders_max; ++i, ++orders_tried) {
      std::swap(order[i], order[i + 1]);
      SearchResult swapped = search_order(costs, objective, order, min_nodes, must_use);
      if (swapped.score < here.score) {
        here = std::move(swapped);
        improved = true;
      } else {
        std::swap(order[i], order[i + 1]);
      }
    }
  }
  return here;
}

}  // namespace weft::partition

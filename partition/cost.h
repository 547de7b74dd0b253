// The cost of stages and hops, by prefix sums over the layers: constant time for any run of layers.
#pragma once

#include <algorithm>
#include <vector>

#include "partition/planner.h"

namespace weft::partition {

// A run of layers on one node, or infinity where its memory is too small.
struct StageCost {
  double decode_s = 0;
  double prefill_s = 0;  // per token, many rows at once
};

class CostModel {
 public:
  explicit CostModel(const PlanRequest& request);

  size_t node_count() const { return request_.nodes.size(); }
  uint32_t layer_count() const { return uint32_t(request_.model.layers.size()); }

  bool fits(size_t node, uint32_t first, uint32_t last) const;
  StageCost stage(size_t node, uint32_t first, uint32_t last) const;
  // The same decode seconds, inline: the searches ask millions of times.
  double decode_s(size_t node, uint32_t first, uint32_t last) const {
    const NodeSums& sums = sums_[node];
    const uint32_t cut = fast_from(sums, first, last);
    const double slow_s = cut == first ? 0 : sums.slow_decode_s[cut] - sums.slow_decode_s[first];
    return slow_s + sums.decode_s[last] - sums.decode_s[cut] +
           (last == layer_count() ? sums.head_decode_s : 0);
  }
  // The largest `last` that fits from `first` on; `first` itself if not even one layer does.
  uint32_t reach(size_t node, uint32_t first) const { return sums_[node].reach[first]; }
  // Seconds for one token's activations from one node to another; 0 on one node.
  double hop(size_t from, size_t to) const;
  // From the last stage to the head, and on to the first stage: the token's way home and back.
  double home(size_t last, size_t first) const;

 private:
  struct NodeSums {
    std::vector<double> decode_s, prefill_s;  // [layer_count + 1], prefix sums
    std::vector<uint32_t> reach;              // [layer_count]
    double head_decode_s = 0;
    // Of a node with a fast and a slow memory; empty for others.
    std::vector<double> slow_decode_s, slow_prefill_s;  // [layer_count + 1], prefix sums
    std::vector<uint32_t> fast_from;  // [layer_count + 1]: where the fast part begins, by its end
  };
  static uint32_t fast_from(const NodeSums& sums, uint32_t first, uint32_t last) {
    return sums.fast_from.empty() ? first : std::max(first, sums.fast_from[last]);
  }
  void split_memory(const NodeProfile& node, NodeSums& sums) const;
  uint64_t stage_bytes(uint32_t first, uint32_t last) const;
  double link_seconds(NodeId from, NodeId to, double bytes) const;

  const PlanRequest& request_;
  std::vector<NodeSums> sums_;
  std::vector<double> hops_;          // [node_count, node_count]
  std::vector<double> token_hops_;    // the same for a token id
  std::vector<double> to_head_, from_head_;
  std::vector<uint64_t> memory_sums_;  // [layer_count + 1], weights and KV cache
};

}  // namespace weft::partition

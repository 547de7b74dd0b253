// The planner: which node computes which layers. Pure arithmetic on measured numbers.
//
// A plan is an ordered list of stages. Its cost for one stream is the sum of what each stage takes
// for one token, plus the hops between stages, plus the hop home:
//   T = sum_i decode_s(node_i, layers_i) + sum_i hop_s(node_i, node_i+1, hidden bytes) + hop home
// For many streams it is the slowest stage or hop: the pipeline's beat.
// Exact (every subset and order, layers placed by dynamic programming) for at most kExactNodesMax
// nodes; above that a bounded heuristic.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/result.h"

namespace weft::partition {

inline constexpr size_t kExactNodesMax = 8;

struct LayerCost {
  uint64_t bytes = 0;          // weights
  uint64_t parameters = 0;     // in matrices, that one token is multiplied with
  uint32_t tensor_type = 0;    // GGUF's number, of most bytes
  uint32_t kv_tokens_max = 0;  // of its KV cache, as it has a window; 0: it has none
  uint64_t idle_bytes = 0;     // of `bytes`, what one token does not read: experts not chosen
};

struct ModelTable {
  std::vector<LayerCost> layers;
  LayerCost embedding;  // with the first stage
  LayerCost head;       // output norm and matrix, with the last stage
  uint32_t hidden_dim = 0;
  uint64_t kv_bytes_per_token_layer = 0;
  uint32_t kv_tokens = 0;      // capacity each stage is to hold
  uint64_t scratch_bytes = 0;  // a stage's activations
  uint64_t tied_bytes = 0;     // that embedding and head share where one stage has both
};

struct TypeSpeed {
  uint32_t tensor_type = 0;
  double decode_bytes_per_s = 0;
  double prefill_flops = 0;
};

struct NodeProfile {
  NodeId node;
  std::string name;
  uint64_t memory_bytes = 0;    // usable
  double layer_overhead_s = 0;  // of one layer besides its matrices
  std::vector<TypeSpeed> speeds;
  // A GPU with memory of its own, beside a processor: the last layers of a stage that fit this much
  // of memory_bytes are computed at `speeds`, those before them at `slow_speeds`. 0: all alike.
  uint64_t fast_memory_bytes = 0;
  std::vector<TypeSpeed> slow_speeds = {};
};

struct Link {
  NodeId from, to;
  double round_trip_s = 0;
  double bytes_per_s = 0;  // 0: unknown, taken as kLinkBytesPerSecondDefault
};
inline constexpr double kLinkRoundTripDefault = 0.002;
inline constexpr double kLinkBytesPerSecondDefault = 12.5e6;  // 100 Mbit/s

enum class Objective {
  kLatency,     // one user's tokens/s
  kThroughput,  // many users' tokens/s together
};

struct PlanRequest {
  ModelTable model;
  std::vector<NodeProfile> nodes;
  std::vector<Link> links;  // missing pairs take the defaults
  Objective objective = Objective::kLatency;
  NodeId head;              // where tokens go home to; zero: the first stage
  size_t min_nodes = 1;  // use at least so many (demo, tests); refused if layers or nodes are fewer
};

struct Stage {
  NodeId node;
  uint32_t first_layer = 0;
  uint32_t last_layer = 0;  // exclusive
  double decode_s = 0;      // one token through this stage
  double hop_s = 0;         // to the next stage (or home, for the last)
  uint64_t memory_bytes = 0;  // weights, KV cache and scratch it will take
};

// Why a node has no layers.
struct LeftOut {
  NodeId node;
  std::string reason;              // "would make it slower: 31.2 instead of 44.0 tokens/s"
  double decode_tps_with = 0;      // the best plan that uses it
};

struct Plan {
  std::vector<Stage> stages;
  std::vector<LeftOut> left_out;
  double decode_tps = 0;      // one stream
  double throughput_tps = 0;  // many streams: 1 / slowest stage or hop
  double prefill_tps = 0;     // one prompt, pipelined
  bool exact = true;
};

// kUnavailable with what is missing ("needs 5.1 GiB, the 3 nodes offer 3.9 GiB ...") if the model
// fits nowhere; kInvalid for an empty or impossible request.
Result<Plan> plan(const PlanRequest& request);

// The cost of given stages, by the same arithmetic; kUnavailable if one does not fit its memory.
Result<Plan> evaluate(const PlanRequest& request, const std::vector<Stage>& stages);

// A layer's weights and KV cache.
uint64_t layer_memory(const ModelTable& model, const LayerCost& layer);
// Memory that layers [first, last) take on a node, with embedding and head where they belong.
uint64_t stage_memory(const ModelTable& model, uint32_t first_layer, uint32_t last_layer);

}  // namespace weft::partition

#include "partition/planner.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <set>

#include "base/text.h"
#include "partition/search.h"

namespace weft::partition {
namespace {

constexpr size_t kNodesMax = 64;
constexpr size_t kLayersMax = 512;
// In larger meshes the nodes left out are listed without a plan computed for each of them.
constexpr size_t kExplainedNodesMax = 16;

std::string tps(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string count_of(size_t count, const char* noun) {
  return cat(count, " ", noun, count == 1 ? "" : "s");
}

Result<> validate(const PlanRequest& request) {
  const size_t layers = request.model.layers.size();
  if (layers == 0 || layers > kLayersMax) {
    return Error(ErrorCode::kInvalid,
                 cat("a plan needs 1 to ", kLayersMax, " layers, got ", layers));
  }
  if (request.nodes.empty()) return Error(ErrorCode::kUnavailable, "no node is there to plan for");
  if (request.nodes.size() > kNodesMax) {
    return Error(ErrorCode::kInvalid, cat("a plan takes at most ", kNodesMax, " nodes, got ",
                                          request.nodes.size()));
  }
  std::set<NodeId> ids;
  for (const NodeProfile& node : request.nodes) {
    if (!ids.insert(node.node).second) {
      return Error(ErrorCode::kInvalid, cat("node ", node.name, " is listed twice"));
    }
  }
  if (request.min_nodes > std::min(request.nodes.size(), layers)) {
    return Error(
        ErrorCode::kUnavailable,
        cat("a plan over at least ", count_of(request.min_nodes, "node"), " was asked for, ",
            request.nodes.size() < request.min_nodes
                ? cat("only ", count_of(request.nodes.size(), "node"), " can compute")
                : cat("the model has only ", count_of(layers, "layer"))));
  }
  return {};
}

Error nothing_fits(const PlanRequest& request) {
  const ModelTable& model = request.model;
  uint64_t weights = model.embedding.bytes + model.head.bytes, offered = 0;
  for (const LayerCost& layer : model.layers) weights += layer.bytes;
  for (const NodeProfile& node : request.nodes) offered += node.memory_bytes;
  const uint64_t needed = stage_memory(model, 0, uint32_t(model.layers.size()));
  std::string text = cat("the model needs ", format_bytes(needed), " (", format_bytes(weights),
                         " of weights, the rest KV cache and scratch for ", model.kv_tokens,
                         " tokens), ", count_of(request.nodes.size(), "node"),
                         request.nodes.size() == 1 ? " offers " : " offer ", format_bytes(offered));
  text += needed > offered ? "; add a node, give more memory with --memory, or take a smaller model"
                           : "; it does not divide over them: a stage needs room for its layers, "
                             "scratch and, at the ends, the embedding or the head";
  return Error(ErrorCode::kUnavailable, text);
}

Plan describe(const PlanRequest& request, const CostModel& costs,
              const std::vector<Placement>& placements) {
  Plan plan;
  double latency_s = 0, slowest_s = 0, slowest_prefill_s = 0;
  for (size_t i = 0; i < placements.size(); ++i) {
    const Placement& p = placements[i];
    const StageCost cost = costs.stage(p.node, p.first_layer, p.last_layer);
    const bool last = i + 1 == placements.size();
    const double hop_s =
        last ? costs.home(p.node, placements[0].node) : costs.hop(p.node, placements[i + 1].node);
    plan.stages.push_back({request.nodes[p.node].node, p.first_layer, p.last_layer, cost.decode_s,
                           hop_s, stage_memory(request.model, p.first_layer, p.last_layer)});
    latency_s += cost.decode_s + hop_s;
    slowest_s = std::max({slowest_s, cost.decode_s, hop_s});
    slowest_prefill_s = std::max(slowest_prefill_s, cost.prefill_s);
  }
  plan.decode_tps = 1 / std::max(latency_s, 1e-12);
  plan.throughput_tps = 1 / std::max(slowest_s, 1e-12);
  plan.prefill_tps = 1 / std::max(slowest_prefill_s, 1e-12);
  return plan;
}

// Why `node` is not in the plan, given the best plan that has to use it.
LeftOut explain(const PlanRequest& request, const Plan& chosen, size_t node, const Plan* with_it) {
  LeftOut out{request.nodes[node].node, "", 0};
  const bool latency = request.objective == Objective::kLatency;
  const double best = latency ? chosen.decode_tps : chosen.throughput_tps;
  if (with_it == nullptr && request.nodes.size() > kExplainedNodesMax) {
    out.reason = "the plan found is better without it";
    return out;
  }
  if (with_it == nullptr) {
    out.reason = cat("has no room for a layer (offers ",
                     format_bytes(request.nodes[node].memory_bytes), ")");
    return out;
  }
  out.decode_tps_with = with_it->decode_tps;
  const double with = latency ? with_it->decode_tps : with_it->throughput_tps;
  out.reason =
      with < best * 0.999
          ? cat("would make it slower: ", tps(with), " instead of ", tps(best), " tokens/s")
          : cat("would not make it faster: ", tps(best), " tokens/s without it");
  return out;
}

}  // namespace

Result<Plan> plan(const PlanRequest& request) {
  WEFT_CHECK(validate(request));
  const CostModel costs(request);
  const size_t n = request.nodes.size();
  const size_t min_nodes = std::max<size_t>(request.min_nodes, 1);

  SearchResult best;
  std::vector<SearchResult> best_with(n);  // the best plan that uses each node
  if (n <= kExactNodesMax) {
    std::vector<SearchResult> results = search_exact(costs, request.objective);
    for (SearchResult& result : results) {
      if (result.stages.size() < min_nodes) continue;
      for (const Placement& p : result.stages) {
        if (result.score < best_with[p.node].score) best_with[p.node] = result;
      }
      if (result.score < best.score) best = std::move(result);
    }
  } else {
    best = search_heuristic(costs, request.objective, min_nodes, n, kHeuristicStepsMax);
    // What a left-out node would have done is worth less work than the plan.
    for (size_t node = 0; node < n && best.score.finite(); ++node) {
      if (n > kExplainedNodesMax) break;
      best_with[node] = search_heuristic(costs, request.objective, min_nodes, node, 0);
    }
  }
  if (!best.score.finite()) return nothing_fits(request);

  Plan chosen = describe(request, costs, best.stages);
  chosen.exact = n <= kExactNodesMax;
  for (size_t node = 0; node < n; ++node) {
    const bool used = std::any_of(best.stages.begin(), best.stages.end(),
                                  [&](const Placement& p) { return p.node == node; });
    if (used) continue;
    if (best_with[node].score.finite()) {
      const Plan with_it = describe(request, costs, best_with[node].stages);
      chosen.left_out.push_back(explain(request, chosen, node, &with_it));
    } else {
      chosen.left_out.push_back(explain(request, chosen, node, nullptr));
    }
  }
  return chosen;
}

Result<Plan> evaluate(const PlanRequest& request, const std::vector<Stage>& stages) {
  WEFT_CHECK(validate(request));
  const CostModel costs(request);
  std::vector<Placement> placements;
  uint32_t next_layer = 0;
  for (const Stage& stage : stages) {
    const auto node = std::find_if(request.nodes.begin(), request.nodes.end(),
                                   [&](const NodeProfile& n) { return n.node == stage.node; });
    if (node == request.nodes.end() || stage.first_layer != next_layer ||
        stage.last_layer <= stage.first_layer || stage.last_layer > costs.layer_count()) {
      return Error(ErrorCode::kInvalid, "the stages do not cover the layers once, in order");
    }
    const size_t index = size_t(node - request.nodes.begin());
    if (!costs.fits(index, stage.first_layer, stage.last_layer)) {
      return Error(
          ErrorCode::kUnavailable,
          cat("layers ", stage.first_layer, "-", stage.last_layer - 1, " need ",
              format_bytes(stage_memory(request.model, stage.first_layer, stage.last_layer)), ", ",
              node->name, " offers ", format_bytes(node->memory_bytes)));
    }
    placements.push_back({index, stage.first_layer, stage.last_layer});
    next_layer = stage.last_layer;
  }
  if (next_layer != costs.layer_count()) {
    return Error(ErrorCode::kInvalid, "the stages do not cover the layers once, in order");
  }
  return describe(request, costs, placements);
}

}  // namespace weft::partition

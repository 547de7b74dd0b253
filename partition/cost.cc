#include "partition/cost.h"

#include <algorithm>

namespace weft::partition {
namespace {

constexpr double kTokenMessageBytes = 64;    // a token id in its frame
constexpr double kStepMessageBytes = 128;    // a step's table besides the activations
// A type a node has no figure for is taken at its slowest one; with no figure at all, at these.
constexpr double kDecodeBytesPerSecondDefault = 2e9;
constexpr double kPrefillFlopsDefault = 10e9;

TypeSpeed speed_of(const std::vector<TypeSpeed>& speeds, uint32_t tensor_type) {
  TypeSpeed slowest{tensor_type, 0, 0};
  for (const TypeSpeed& speed : speeds) {
    if (speed.tensor_type == tensor_type) return speed;
    if (slowest.decode_bytes_per_s == 0 || speed.decode_bytes_per_s < slowest.decode_bytes_per_s) {
      slowest.decode_bytes_per_s = speed.decode_bytes_per_s;
    }
    if (slowest.prefill_flops == 0 || speed.prefill_flops < slowest.prefill_flops) {
      slowest.prefill_flops = speed.prefill_flops;
    }
  }
  if (slowest.decode_bytes_per_s <= 0) slowest.decode_bytes_per_s = kDecodeBytesPerSecondDefault;
  if (slowest.prefill_flops <= 0) slowest.prefill_flops = kPrefillFlopsDefault;
  return slowest;
}

StageCost cost_of(const std::vector<TypeSpeed>& speeds, const LayerCost& layer) {
  const TypeSpeed speed = speed_of(speeds, layer.tensor_type);
  return {double(layer.bytes - layer.idle_bytes) / std::max(speed.decode_bytes_per_s, 1.0),
          2.0 * double(layer.parameters) / std::max(speed.prefill_flops, 1.0)};
}

// Of embedding and head, where the stage has them.
uint64_t ends_memory(const ModelTable& model, uint32_t first, uint32_t last) {
  const bool has_embedding = first == 0, has_head = last == model.layers.size();
  uint64_t bytes = 0;
  if (has_embedding) bytes += model.embedding.bytes;
  if (has_head) bytes += model.head.bytes;
  if (has_embedding && has_head) bytes -= model.tied_bytes;
  return bytes;
}

}  // namespace

uint64_t layer_memory(const ModelTable& model, const LayerCost& layer) {
  const uint32_t kv_tokens =
      layer.kv_tokens_max > 0 ? std::min(layer.kv_tokens_max, model.kv_tokens) : model.kv_tokens;
  return layer.bytes + model.kv_bytes_per_token_layer * kv_tokens;
}

uint64_t stage_memory(const ModelTable& model, uint32_t first_layer, uint32_t last_layer) {
  uint64_t bytes = model.scratch_bytes;
  for (uint32_t l = first_layer; l < last_layer; ++l) bytes += layer_memory(model, model.layers[l]);
  return bytes + ends_memory(model, first_layer, last_layer);
}

CostModel::CostModel(const PlanRequest& request) : request_(request) {
  const ModelTable& model = request.model;
  for (const NodeProfile& node : request.nodes) {
    NodeSums sums;
    sums.decode_s.push_back(0);
    sums.prefill_s.push_back(0);
    for (const LayerCost& layer : model.layers) {
      const StageCost cost = cost_of(node.speeds, layer);
      sums.decode_s.push_back(sums.decode_s.back() + cost.decode_s + node.layer_overhead_s);
      sums.prefill_s.push_back(sums.prefill_s.back() + cost.prefill_s);
    }
    // Only the last row of a prompt goes through the head, so it adds nothing to prefill.
    sums.head_decode_s = cost_of(node.speeds, model.head).decode_s;
    sums_.push_back(std::move(sums));
  }
  const double activation_bytes = 4.0 * model.hidden_dim + kStepMessageBytes;
  for (const NodeProfile& from : request.nodes) {
    for (const NodeProfile& to : request.nodes) {
      hops_.push_back(link_seconds(from.node, to.node, activation_bytes));
      token_hops_.push_back(link_seconds(from.node, to.node, kTokenMessageBytes));
    }
    to_head_.push_back(request.head.is_zero()
                           ? 0 : link_seconds(from.node, request.head, kTokenMessageBytes));
    from_head_.push_back(request.head.is_zero()
                             ? 0 : link_seconds(request.head, from.node, kTokenMessageBytes));
  }
  memory_sums_.push_back(0);
  for (const LayerCost& layer : model.layers) {
    memory_sums_.push_back(memory_sums_.back() + layer_memory(model, layer));
  }
  for (size_t node = 0; node < node_count(); ++node) {
    if (request.nodes[node].fast_memory_bytes > 0) split_memory(request.nodes[node], sums_[node]);
    for (uint32_t first = 0; first < layer_count(); ++first) {
      uint32_t last = first;
      while (last < layer_count() && fits(node, first, last + 1)) ++last;
      sums_[node].reach.push_back(last);
    }
  }
}

void CostModel::split_memory(const NodeProfile& node, NodeSums& sums) const {
  const ModelTable& model = request_.model;
  sums.slow_decode_s.push_back(0);
  sums.slow_prefill_s.push_back(0);
  for (const LayerCost& layer : model.layers) {
    const StageCost cost = cost_of(node.slow_speeds, layer);
    sums.slow_decode_s.push_back(sums.slow_decode_s.back() + cost.decode_s +
                                 node.layer_overhead_s);
    sums.slow_prefill_s.push_back(sums.slow_prefill_s.back() + cost.prefill_s);
  }
  for (uint32_t last = 0; last <= layer_count(); ++last) {
    uint32_t from = last;
    while (from > 0 && stage_bytes(from - 1, last) <= node.fast_memory_bytes) --from;
    sums.fast_from.push_back(from);
  }
  // With not even the last layer there, the head is not there either.
  if (sums.fast_from.back() == layer_count()) {
    sums.head_decode_s = cost_of(node.slow_speeds, model.head).decode_s;
  }
}

double CostModel::link_seconds(NodeId from, NodeId to, double bytes) const {
  if (from == to) return 0;
  double round_trip_s = kLinkRoundTripDefault, bytes_per_s = kLinkBytesPerSecondDefault;
  for (const Link& link : request_.links) {
    if (link.from != from || link.to != to) continue;
    round_trip_s = link.round_trip_s;
    if (link.bytes_per_s > 0) bytes_per_s = link.bytes_per_s;
    break;
  }
  return round_trip_s / 2 + bytes / bytes_per_s;
}

uint64_t CostModel::stage_bytes(uint32_t first, uint32_t last) const {
  const ModelTable& model = request_.model;
  uint64_t bytes = memory_sums_[last] - memory_sums_[first] + model.scratch_bytes;
  return bytes + ends_memory(model, first, last);
}

bool CostModel::fits(size_t node, uint32_t first, uint32_t last) const {
  return stage_bytes(first, last) <= request_.nodes[node].memory_bytes;
}

StageCost CostModel::stage(size_t node, uint32_t first, uint32_t last) const {
  const NodeSums& sums = sums_[node];
  const uint32_t cut = fast_from(sums, first, last);
  const double slow_s = cut == first ? 0 : sums.slow_prefill_s[cut] - sums.slow_prefill_s[first];
  return {decode_s(node, first, last), slow_s + sums.prefill_s[last] - sums.prefill_s[cut]};
}

double CostModel::hop(size_t from, size_t to) const { return hops_[from * node_count() + to]; }

double CostModel::home(size_t last, size_t first) const {
  if (!request_.head.is_zero()) return to_head_[last] + from_head_[first];
  return token_hops_[last * node_count() + first];
}

}  // namespace weft::partition

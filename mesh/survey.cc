#include "mesh/survey.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace weft::mesh {
namespace {

partition::LayerCost cost(const transport::LayerShape& shape) {
  return {shape.bytes, shape.parameters, shape.tensor_type, shape.kv_tokens_max, shape.idle_bytes};
}

std::vector<partition::TypeSpeed> speeds_of(const std::vector<transport::TypeSpeed>& speeds) {
  std::vector<partition::TypeSpeed> out;
  for (const transport::TypeSpeed& speed : speeds) {
    out.push_back({speed.tensor_type, speed.decode_bytes_per_s, speed.prefill_flops});
  }
  return out;
}

// An offer counts a cache of f16. As if its heads were one; those that are no multiple of 32 take a
// little more of q8_0.
uint64_t kv_bytes(const transport::ModelOffer& offer, KvType type) {
  return kv_head_bytes(type, offer.kv_bytes_per_token_layer / 2);
}

partition::ModelTable model_table(const transport::ModelOffer& offer, uint32_t kv_tokens,
                                  KvType kv_type, uint32_t rows_max) {
  partition::ModelTable table;
  for (const transport::LayerShape& layer : offer.layers) table.layers.push_back(cost(layer));
  table.embedding = cost(offer.embedding);
  table.head = cost(offer.head);
  table.hidden_dim = offer.hidden_dim;
  table.kv_bytes_per_token_layer = kv_bytes(offer, kv_type);
  table.kv_tokens = kv_tokens;
  table.tied_bytes = offer.tied_bytes;
  table.scratch_bytes = offer.scratch_row_bytes * rows_max +
                        offer.scratch_position_bytes * std::min(kv_tokens, offer.context_length);
  return table;
}

// What each stage of the plan takes of its node's memory; nothing if no member offers the model.
std::optional<std::map<NodeId, uint64_t>> memory_of(const Membership& members,
                                                    const transport::Propose& plan,
                                                    uint32_t rows_max) {
  const transport::ModelOffer* offer = find_offer(members, plan.model);
  if (!offer || offer->layers.size() != plan.layer_count) return std::nullopt;
  const partition::ModelTable table = model_table(*offer, plan.kv_tokens, plan.kv_type, rows_max);
  std::map<NodeId, uint64_t> bytes;
  for (const transport::StageSpec& stage : plan.stages) {
    bytes[stage.node] = partition::stage_memory(table, stage.first_layer, stage.last_layer);
  }
  return bytes;
}

}  // namespace

std::vector<OfferView> offers(const Membership& members) {
  std::map<ModelId, OfferView> found;
  for (const auto& [node, member] : members.members()) {
    if (!member.alive() || !member.profile) continue;
    for (const transport::ModelOffer& offer : member.profile->offers) {
      OfferView& view = found[offer.model];
      view.model = offer.model;
      if (view.name.empty()) view.name = printable(offer.name);
      view.file_bytes = offer.file_bytes;
      view.layer_count = uint32_t(offer.layers.size());
      view.holders.push_back(node);
    }
  }
  std::vector<OfferView> list;
  for (auto& [model, view] : found) list.push_back(std::move(view));
  std::sort(list.begin(), list.end(), [](const OfferView& a, const OfferView& b) {
    return std::tie(a.name, a.model) < std::tie(b.name, b.model);
  });
  return list;
}

const transport::ModelOffer* find_offer(const Membership& members, ModelId model) {
  for (const auto& [node, member] : members.members()) {
    if (!member.alive() || !member.profile) continue;
    for (const transport::ModelOffer& offer : member.profile->offers) {
      if (offer.model == model) return &offer;
    }
  }
  return nullptr;
}

std::vector<NodeId> holders(const Membership& members, ModelId model) {
  for (const OfferView& offer : offers(members)) {
    if (offer.model == model) return offer.holders;
  }
  return {};
}

partition::PlanRequest plan_request(const Membership& members, const transport::ModelOffer& offer,
                                    const MachineConfig& config, size_t min_nodes,
                                    const std::set<NodeId>& excluded) {
  partition::PlanRequest request;
  request.model = model_table(offer, config.kv_tokens, config.kv_type, config.step_rows_max());
  request.objective = config.objective;
  request.min_nodes = min_nodes;
  std::set<NodeId> used;
  for (const auto& [node, member] : members.members()) {
    if (!member.alive() || !member.profile || excluded.contains(node)) continue;
    partition::NodeProfile profile;
    profile.node = node;
    profile.name = members.name(node);
    profile.memory_bytes = member.profile->memory_bytes;
    profile.layer_overhead_s = member.profile->layer_overhead_s;
    profile.speeds = speeds_of(member.profile->speeds);
    profile.fast_memory_bytes = member.profile->fast_memory_bytes;
    profile.slow_speeds = speeds_of(member.profile->slow_speeds);
    request.nodes.push_back(std::move(profile));
    used.insert(node);
  }
  for (const NodeId node : used) {
    for (const transport::LinkMeasure& link : members.find(node)->beat.links) {
      if (used.contains(link.peer)) {
        request.links.push_back({node, link.peer, link.round_trip_s, link.bytes_per_s});
      }
    }
  }
  return request;
}

bool fits_beside(const Membership& members, const transport::Propose& serving,
                 const transport::Propose& next, uint32_t rows_max) {
  const auto now = memory_of(members, serving, rows_max);
  const auto then = memory_of(members, next, rows_max);
  if (!now || !then) return false;
  return std::all_of(then->begin(), then->end(), [&](const auto& entry) {
    const auto both = now->find(entry.first);
    if (both == now->end()) return true;
    const Member* member = members.find(entry.first);
    if (!member || !member->profile) return false;
    const uint64_t room = member->profile->memory_bytes;
    return both->second <= room && entry.second <= room - both->second;
  });
}

uint32_t open_sessions(const Membership& members) {
  uint64_t sum = 0;
  for (const auto& [node, member] : members.members()) {
    if (member.alive()) sum += member.beat.open_sessions;
  }
  return uint32_t(std::min<uint64_t>(sum, UINT32_MAX));
}

}  // namespace weft::mesh

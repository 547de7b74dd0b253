#include "mesh/survey.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace weft::mesh {
namespace {

partition::LayerCost cost(const transport::LayerShape& shape) {
  return {shape.bytes, shape.parameters, shape.tensor_type};
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
  for (const transport::LayerShape& layer : offer.layers)
    request.model.layers.push_back(cost(layer));
  request.model.embedding = cost(offer.embedding);
  request.model.head = cost(offer.head);
  request.model.hidden_dim = offer.hidden_dim;
  request.model.kv_bytes_per_token_layer = offer.kv_bytes_per_token_layer;
  request.model.kv_tokens = config.kv_tokens;
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
    for (const transport::TypeSpeed& speed : member.profile->speeds) {
      profile.speeds.push_back({speed.tensor_type, speed.decode_bytes_per_s, speed.prefill_flops});
    }
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

uint32_t open_sessions(const Membership& members) {
  uint64_t sum = 0;
  for (const auto& [node, member] : members.members()) {
    if (member.alive()) sum += member.beat.open_sessions;
  }
  return uint32_t(std::min<uint64_t>(sum, UINT32_MAX));
}

}  // namespace weft::mesh

#include "node/mesh_json.h"

#include <map>

#include "base/kv_type.h"
#include "base/text.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;
using Names = std::map<NodeId, std::string>;

constexpr size_t kTextBytesMax = 1024;

// Names and reasons come from peers.
std::string clean(std::string_view text) { return printable(text, kTextBytesMax); }

Json id_or_null(NodeId id) { return id.is_zero() ? Json() : Json(to_string(id)); }

std::string name_of(const Names& names, NodeId id) {
  const auto found = names.find(id);
  return found == names.end() ? short_string(id) : found->second;
}

Json layers_json(const mesh::View& view, NodeId node) {
  if (!view.has_plan) return nullptr;
  for (const mesh::StageView& stage : view.plan.stages) {
    if (stage.node == node) return {{"first", stage.first_layer}, {"last", stage.last_layer}};
  }
  return nullptr;
}

Json node_json(const mesh::View& view, const mesh::NodeView& node, const Names& names) {
  Json links = Json::array();
  for (const transport::LinkMeasure& link : node.beat.links) {
    links.push_back({{"peer", to_string(link.peer)},
                     {"name", name_of(names, link.peer)},
                     {"round_trip_ms", link.round_trip_s * 1e3},
                     {"bytes_per_s", link.bytes_per_s}});
  }
  return {{"id", to_string(node.node)},
          {"name", clean(node.name)},
          {"state", mesh::member_state_name(node.state)},
          {"self", node.self},
          {"link_up", node.link_up},
          {"beat_age_s", node.beat_age_s},
          {"layers", layers_json(view, node.node)},
          {"backend", node.has_profile ? Json(clean(node.profile.backend)) : Json()},
          {"memory_bytes", node.has_profile ? Json(node.profile.memory_bytes) : Json()},
          {"fast_memory_bytes", node.has_profile && node.profile.fast_memory_bytes > 0
                                    ? Json(node.profile.fast_memory_bytes) : Json()},
          {"load",
           {{"open_sessions", node.beat.open_sessions},
            {"stage_sessions", node.beat.stage_sessions},
            {"queued_rows", node.beat.queued_rows},
            {"kv_free_tokens", node.beat.kv_free_tokens},
            {"decode_tokens_per_s", node.beat.decode_tokens_per_s}}},
          {"links", std::move(links)}};
}

Json offers_json(const mesh::View& view) {
  Json offers = Json::array();
  for (const mesh::OfferView& offer : view.offers) {
    Json holders = Json::array();
    for (const NodeId holder : offer.holders) holders.push_back(to_string(holder));
    offers.push_back({{"model", to_string(offer.model)},
                      {"name", clean(offer.name)},
                      {"file_bytes", offer.file_bytes},
                      {"layer_count", offer.layer_count},
                      {"holders", std::move(holders)}});
  }
  return offers;
}

Json refusal_json(const mesh::View& view) {
  if (!view.refusal) return nullptr;
  return {{"model_name", clean(view.refusal->model_name)},
          {"reason", clean(view.refusal->reason)}};
}

Json lora_json(const std::vector<AdapterState>& adapters) {
  Json list = Json::array();
  for (const AdapterState& adapter : adapters) {
    list.push_back({{"file", clean(adapter.file)},
                    {"scale", adapter.scale},
                    {"applied", adapter.applied},
                    {"reason", adapter.reason.empty() ? Json() : Json(clean(adapter.reason))}});
  }
  return list;
}

}  // namespace

Json plan_json(const mesh::PlanView& plan) {
  Json stages = Json::array();
  for (const mesh::StageView& stage : plan.stages) {
    stages.push_back({{"id", to_string(stage.node)},
                      {"name", clean(stage.name)},
                      {"first_layer", stage.first_layer},
                      {"last_layer", stage.last_layer},
                      {"progress", stage.progress},
                      {"decode_s", stage.decode_s},
                      {"hop_s", stage.hop_s},
                      {"memory_bytes", stage.memory_bytes}});
  }
  Json left_out = Json::array();
  for (const mesh::LeftOutView& node : plan.left_out) {
    left_out.push_back({{"id", to_string(node.node)},
                        {"name", clean(node.name)},
                        {"reason", clean(node.reason)}});
  }
  return {{"epoch", plan.epoch.value},
          {"model", to_string(plan.model)},
          {"model_name", clean(plan.model_name)},
          {"active", plan.active},
          {"progress", plan.progress},
          {"layer_count", plan.layer_count},
          {"hidden_dim", plan.hidden_dim},
          {"vocab_size", plan.vocab_size},
          {"context_length", plan.context_length},
          {"kv_tokens", plan.kv_tokens},
          {"kv_type", kv_type_name(plan.kv_type)},
          {"predicted",
           {{"decode_tps", plan.decode_tps},
            {"throughput_tps", plan.throughput_tps},
            {"prefill_tps", plan.prefill_tps}}},
          {"stages", std::move(stages)},
          {"left_out", std::move(left_out)}};
}

Json mesh_json(const mesh::View& view, const std::string& alarm,
               const std::vector<AdapterState>& adapters) {
  Names names;
  for (const mesh::NodeView& node : view.nodes) names[node.node] = clean(node.name);
  Json nodes = Json::array();
  for (const mesh::NodeView& node : view.nodes) nodes.push_back(node_json(view, node, names));
  Json sessions = Json::array();
  for (const mesh::SessionView& session : view.sessions) {
    sessions.push_back({{"id", to_string(session.session)},
                        {"prompt_tokens", session.prompt_tokens},
                        {"completion_tokens", session.completion_tokens},
                        {"age_s", session.age_s}});
  }
  const std::string warning = differing_adapters(view);
  return {{"self", to_string(view.self)},
          {"coordinator", id_or_null(view.coordinator)},
          {"highest_epoch", view.highest_epoch.value},
          {"nodes", std::move(nodes)},
          {"plan", view.has_plan ? plan_json(view.plan) : Json()},
          {"offers", offers_json(view)},
          {"sessions", std::move(sessions)},
          {"stage_sessions", view.stage_sessions},
          {"queued_rows", view.queued_rows},
          {"problem", view.problem.empty() ? Json() : Json(clean(view.problem))},
          {"refusal", refusal_json(view)},
          {"alarm", alarm.empty() ? Json() : Json(clean(alarm))},
          {"warning", warning.empty() ? Json() : Json(clean(warning))},
          {"lora", lora_json(adapters)}};
}

}  // namespace weft::node

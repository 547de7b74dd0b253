#include "node/plan_preview.h"

#include "base/text.h"
#include "mesh/checks.h"
#include "node/model_offer.h"
#include "node/model_path.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

Error invalid(std::string_view field) {
  return Error(ErrorCode::kInvalid, cat("'shape' has no sound '", field, "'"));
}

nlohmann::ordered_json layer_json(const transport::LayerShape& layer) {
  return {layer.bytes, layer.parameters, layer.tensor_type, layer.kv_tokens_max, layer.idle_bytes};
}

template <typename Number>
Result<> read(const Json& value, std::string_view field, Number& out) {
  if (!value.is_number_unsigned()) return invalid(field);
  const uint64_t number = value.get<uint64_t>();
  if (number > std::numeric_limits<Number>::max()) return invalid(field);
  out = Number(number);
  return {};
}
template <typename Number>
Result<> read_field(const Json& shape, const char* field, Number& out) {
  const auto found = shape.find(field);
  return found == shape.end() ? Result<>(invalid(field)) : read(*found, field, out);
}

Result<> read_layer(const Json& value, std::string_view field, transport::LayerShape& out) {
  if (!value.is_array() || value.size() != 5) return invalid(field);
  WEFT_CHECK(read(value[0], field, out.bytes));
  WEFT_CHECK(read(value[1], field, out.parameters));
  WEFT_CHECK(read(value[2], field, out.tensor_type));
  WEFT_CHECK(read(value[3], field, out.kv_tokens_max));
  return read(value[4], field, out.idle_bytes);
}

std::string name_of(const partition::PlanRequest& question, NodeId node) {
  for (const partition::NodeProfile& profile : question.nodes) {
    if (profile.node == node) return profile.name;
  }
  return short_string(node);
}

}  // namespace

Result<transport::ModelOffer> shape_of_file(const std::string& path) {
  WEFT_TRY(model::Model model, model::Model::open(path));
  StoredModel stored;
  stored.name = model_name(path);
  stored.manifest.file_bytes = model.file().file_bytes();
  stored.model = std::make_shared<const model::Model>(std::move(model));
  return offer_of(stored);
}

nlohmann::ordered_json shape_json(const transport::ModelOffer& shape) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const transport::LayerShape& layer : shape.layers) layers.push_back(layer_json(layer));
  return {{"name", shape.name},
          {"file_bytes", shape.file_bytes},
          {"hidden_dim", shape.hidden_dim},
          {"vocab_size", shape.vocab_size},
          {"context_length", shape.context_length},
          {"kv_bytes_per_token_layer", shape.kv_bytes_per_token_layer},
          {"scratch_row_bytes", shape.scratch_row_bytes},
          {"scratch_position_bytes", shape.scratch_position_bytes},
          {"tied_bytes", shape.tied_bytes},
          {"embedding", layer_json(shape.embedding)},
          {"head", layer_json(shape.head)},
          {"layers", std::move(layers)}};
}

Result<transport::ModelOffer> parse_shape(const Json& shape) {
  if (!shape.is_object()) return Error(ErrorCode::kInvalid, "'shape' must be an object");
  transport::ModelOffer offer;
  const auto name = shape.find("name");
  if (name == shape.end() || !name->is_string()) return invalid("name");
  offer.name = printable(name->get_ref<const std::string&>());
  WEFT_CHECK(read_field(shape, "file_bytes", offer.file_bytes));
  WEFT_CHECK(read_field(shape, "hidden_dim", offer.hidden_dim));
  WEFT_CHECK(read_field(shape, "vocab_size", offer.vocab_size));
  WEFT_CHECK(read_field(shape, "context_length", offer.context_length));
  WEFT_CHECK(read_field(shape, "kv_bytes_per_token_layer", offer.kv_bytes_per_token_layer));
  WEFT_CHECK(read_field(shape, "scratch_row_bytes", offer.scratch_row_bytes));
  WEFT_CHECK(read_field(shape, "scratch_position_bytes", offer.scratch_position_bytes));
  WEFT_CHECK(read_field(shape, "tied_bytes", offer.tied_bytes));
  const auto embedding = shape.find("embedding"), head = shape.find("head");
  if (embedding == shape.end() || head == shape.end()) return invalid("embedding or head");
  WEFT_CHECK(read_layer(*embedding, "embedding", offer.embedding));
  WEFT_CHECK(read_layer(*head, "head", offer.head));
  const auto layers = shape.find("layers");
  if (layers == shape.end() || !layers->is_array() ||
      layers->size() > transport::kLayersMax) {
    return invalid("layers");
  }
  for (const Json& layer : *layers) {
    WEFT_CHECK(read_layer(layer, "layers", offer.layers.emplace_back()));
  }
  // The bounds that a member's offer has to keep as well, so that no sum overflows.
  transport::Profile profile;
  profile.offers.push_back(offer);
  WEFT_CHECK(mesh::check_profile(profile));
  return offer;
}

const transport::ModelOffer* offer_named(const mesh::View& view, const std::string& name) {
  for (const mesh::NodeView& node : view.nodes) {
    if (node.state == mesh::MemberState::kDead) continue;
    for (const transport::ModelOffer& offer : node.profile.offers) {
      if (printable(offer.name) == name) return &offer;
    }
  }
  return nullptr;
}

mesh::PlanView preview_of(const partition::Plan& plan, const partition::PlanRequest& question,
                          const transport::ModelOffer& shape) {
  mesh::PlanView view;
  view.model = shape.model;
  view.model_name = printable(shape.name);
  view.layer_count = uint32_t(shape.layers.size());
  view.hidden_dim = shape.hidden_dim;
  view.vocab_size = shape.vocab_size;
  view.context_length = shape.context_length;
  view.kv_tokens = question.model.kv_tokens;
  view.decode_tps = plan.decode_tps;
  view.throughput_tps = plan.throughput_tps;
  view.prefill_tps = plan.prefill_tps;
  for (const partition::Stage& stage : plan.stages) {
    mesh::StageView& shown = view.stages.emplace_back();
    shown.node = stage.node;
    shown.name = name_of(question, stage.node);
    shown.first_layer = stage.first_layer;
    shown.last_layer = stage.last_layer;
    shown.decode_s = stage.decode_s;
    shown.hop_s = stage.hop_s;
    shown.memory_bytes = stage.memory_bytes;
  }
  for (const partition::LeftOut& out : plan.left_out) {
    view.left_out.push_back({out.node, name_of(question, out.node), out.reason});
  }
  return view;
}

}  // namespace weft::node

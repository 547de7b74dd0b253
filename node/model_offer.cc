#include "node/model_offer.h"

#include <map>
#include <span>

#include "kernels/block.h"
#include "kernels/cpu/repack.h"
#include "kernels/slice_memory.h"
#include "kernels/weights.h"

namespace weft::node {
namespace {

// What tensors cost a node: the bytes they take in its memory and the type they are computed as,
// which for some types of the file is another (kernels/cpu/repack.h). `use` is that of matrices.
transport::LayerShape shape_of(std::span<const model::GgufTensor* const> tensors,
                               kernels::WeightUse use) {
  transport::LayerShape shape;
  std::map<uint32_t, uint64_t> bytes_by_type;
  for (const model::GgufTensor* tensor : tensors) {
    const bool matrix = tensor->dims.size() >= 2;
    const uint64_t bytes = kernels::kept_bytes(*tensor, matrix ? use : kernels::WeightUse::kLookup);
    shape.bytes += bytes;
    if (!matrix) continue;
    shape.parameters += tensor->elements;
    bytes_by_type[uint32_t(kernels::kept_as(tensor->type).type)] += bytes;
  }
  uint64_t most = 0;
  for (const auto& [type, bytes] : bytes_by_type) {
    if (bytes <= most) continue;
    most = bytes;
    shape.tensor_type = type;
  }
  return shape;
}

// Of a layer: what one token leaves alone, and how much its KV cache grows.
void add_sparsity(const model::Model& model, uint32_t layer, transport::LayerShape& shape) {
  const model::ModelConfig& config = model.config();
  if (config.windowed(layer)) {
    shape.kv_tokens_max =
        kernels::window_kv_tokens(config.window, kernels::kWindowStreams, kernels::kKvTokensMax);
  }
  const kernels::IdleWeights idle = kernels::idle_weights(model, layer);
  shape.idle_bytes = idle.bytes;
  shape.parameters -= idle.parameters;
}

}  // namespace

transport::ModelOffer offer_of(const StoredModel& stored) {
  const model::Model& model = *stored.model;
  const model::ModelConfig& config = model.config();
  transport::ModelOffer offer;
  offer.model = stored.manifest.model;
  offer.manifest = stored.manifest_digest;
  offer.name = stored.name;
  offer.file_bytes = stored.manifest.file_bytes;
  offer.hidden_dim = config.hidden_dim;
  offer.vocab_size = config.vocab_size;
  offer.context_length = config.context_length;
  offer.kv_bytes_per_token_layer = uint64_t{2} * config.kv_dim() * sizeof(uint16_t);  // f16
  offer.scratch_row_bytes = kernels::BlockScratch::bytes(config, 1);
  offer.scratch_position_bytes = kernels::rope_bytes(config);
  const model::GgufTensor* embedding[] = {&model.token_embedding()};
  const model::GgufTensor* head[] = {&model.output_norm(), &model.output()};
  offer.embedding = shape_of(embedding, kernels::WeightUse::kLookup);
  offer.head = shape_of(head, kernels::WeightUse::kMatmul);
  if (&model.output() == &model.token_embedding()) offer.tied_bytes = offer.embedding.bytes;
  offer.head.bytes += kernels::head_scratch_bytes(config);
  offer.head.idle_bytes = kernels::head_scratch_bytes(config);
  for (uint32_t l = 0; l < config.layer_count; ++l) {
    offer.layers.push_back(shape_of(model.layer(l).present(), kernels::WeightUse::kMatmul));
    add_sparsity(model, l, offer.layers.back());
  }
  return offer;
}

}  // namespace weft::node

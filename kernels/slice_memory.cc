#include "kernels/slice_memory.h"

#include <algorithm>

#include "base/text.h"
#include "kernels/cpu/repack.h"
#include "kernels/weights.h"

namespace weft::kernels {

Result<SliceShape> slice_shape(const model::ModelConfig& config, const SliceOptions& options) {
  if (options.first_layer >= options.last_layer || options.last_layer > config.layer_count) {
    return Error(ErrorCode::kInvalid,
                 cat("layers ", options.first_layer, " to ", options.last_layer,
                     " (exclusive) are no run of the model's ", config.layer_count, " layers"));
  }
  if (options.kv_tokens == 0 || options.kv_tokens > kKvTokensMax) {
    return Error(ErrorCode::kInvalid, cat("a KV cache of ", options.kv_tokens,
                                          " tokens; it must be 1 to ", kKvTokensMax));
  }
  if (options.rows_max == 0) {
    return Error(ErrorCode::kInvalid, "rows_max is 0; a slice computes at least one row at a time");
  }
  SliceShape shape;
  shape.kv = {.type = options.kv_type,
              .layer_count = options.last_layer - options.first_layer,
              .kv_head_count = config.kv_head_count,
              .head_dim = config.head_dim,
              .page_count = kv_pages_for(options.kv_tokens)};
  const uint32_t kv_tokens = shape.kv.page_count * kPageTokens;
  if (shape.kv.bytes_per_token() > kKvBytesMax / kv_tokens) {
    return Error(ErrorCode::kExhausted,
                 cat("a KV cache of ", kv_tokens, " tokens of ",
                     format_bytes(shape.kv.bytes_per_token()), " each is more than ",
                     format_bytes(kKvBytesMax), "; use a shorter context or fewer layers"));
  }
  shape.rows = std::min(options.rows_max, kv_tokens);
  if (options.last_layer == config.layer_count) {
    shape.logits_rows = std::min(shape.rows, kLogitsRowsMax);
  }
  shape.position_count = std::min(config.context_length, kv_tokens);
  return shape;
}

uint64_t scratch_bytes(const model::ModelConfig& config, const SliceShape& shape) {
  const uint64_t head_floats =
      uint64_t{shape.logits_rows} * (uint64_t{config.hidden_dim} + config.vocab_size);
  const uint64_t rope_floats = uint64_t{shape.position_count} * config.rope.dims;
  return BlockScratch::bytes(config, shape.rows) + (head_floats + rope_floats) * sizeof(float);
}

Result<SliceMemory> estimate_slice_memory(const model::Model& model, const SliceOptions& options,
                                          std::string_view backend) {
  WEFT_TRY(const SliceShape shape, slice_shape(model.config(), options));
  SliceMemory memory;
  SliceWeights places;
  for (const SliceTensor& entry :
       list_slice_tensors(model, options.first_layer, options.last_layer, places)) {
    memory.weight_bytes +=
        backend == "reference" ? entry.tensor->elements * sizeof(float)
                               : kept_bytes(*entry.tensor, entry.use);
  }
  memory.kv_bytes = shape.kv.bytes();
  memory.scratch_bytes = scratch_bytes(model.config(), shape);
  return memory;
}

}  // namespace weft::kernels

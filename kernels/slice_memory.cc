#include "kernels/slice_memory.h"

#include <algorithm>

#include "base/text.h"
#include "kernels/adapter.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/repack.h"
#include "kernels/weights.h"

namespace weft::kernels {
namespace {

// An expert's part of a matrix begins with a panel of its own.
Result<> check_experts(const model::ModelConfig& config) {
  if (config.expert_count == 0) return {};
  if (config.expert_ffn_dim % kPanelRows == 0 && config.hidden_dim % kPanelRows == 0) return {};
  return Error(ErrorCode::kUnsupported,
               cat("experts of ", config.expert_ffn_dim, " by ", config.hidden_dim,
                   " are not supported; both must be multiples of ", kPanelRows));
}

// Pages of one session's window while a part of a batch is added to it.
uint32_t window_pages(uint32_t window, uint32_t page_count) {
  const uint64_t tokens = uint64_t{window} + kWindowRowsMax;
  return uint32_t(std::min<uint64_t>(tokens / kPageTokens + 2, page_count));
}

// Pairs of a layer are applied to every row of a part, those of the output to the head's.
void size_adapters(const SliceOptions& options, SliceShape& shape) {
  for (const SlicePair& entry :
       list_slice_pairs(options.adapters, options.first_layer, options.last_layer)) {
    const model::AdapterPair& pair = *entry.pair;
    const uint64_t rows = pair.parts.empty() ? shape.logits_rows : shape.rows;
    uint32_t widest = pair.parts.empty() ? pair.rows() : 0;
    for (const auto& part : pair.parts) widest = std::max(widest, part.rows);
    shape.low_floats = std::max(shape.low_floats, rows * pair.rank());
    shape.delta_floats = std::max(shape.delta_floats, rows * widest);
  }
}

// Whether the layers with a window rotate otherwise than those without.
bool two_ropes(const model::ModelConfig& config) {
  return config.window > 0 && config.window_period != 0 && config.rope != config.window_rope;
}

// A row's final hidden state, its logits, the best of them with their columns, and a total.
uint64_t head_row_floats(const model::ModelConfig& config) {
  return uint64_t{config.hidden_dim} + config.vocab_size + 2 * kBestLogitsMax + 3;
}

}  // namespace

uint32_t window_kv_tokens(uint32_t window, uint32_t streams, uint32_t kv_tokens) {
  const uint32_t page_count = kv_pages_for(kv_tokens);
  const uint64_t pages = uint64_t{streams} * window_pages(window, page_count);
  return uint32_t(std::min<uint64_t>(pages, page_count)) * kPageTokens;
}

bool needs_window_rope(const model::ModelConfig& config, const SliceShape& shape) {
  return shape.kv.layer_count > 0 && shape.window_kv.layer_count > 0 && two_ropes(config);
}

uint64_t rope_bytes(const model::ModelConfig& config) {
  return uint64_t{config.rope.dims} * sizeof(float) * (two_ropes(config) ? 2 : 1);
}

uint64_t head_scratch_bytes(const model::ModelConfig& config) {
  return kLogitsRowsMax * head_row_floats(config) * sizeof(float);
}

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
  WEFT_CHECK(check_experts(config));
  uint32_t windowed = 0;
  for (uint32_t i = options.first_layer; i < options.last_layer; ++i) {
    windowed += config.windowed(i);
  }
  SliceShape shape;
  shape.kv = {.type = options.kv_type,
              .layer_count = options.last_layer - options.first_layer - windowed,
              .kv_head_count = config.kv_head_count,
              .head_dim = config.head_dim,
              .page_count = kv_pages_for(options.kv_tokens)};
  const uint32_t kv_tokens = shape.kv.page_count * kPageTokens;
  shape.rows = std::min(options.rows_max, kv_tokens);
  shape.window_kv = shape.kv;
  shape.window_kv.layer_count = windowed;
  shape.window_kv.page_count = 0;
  if (windowed > 0) {
    shape.rows = std::min(shape.rows, kWindowRowsMax);
    shape.window_pages = window_pages(config.window, shape.kv.page_count);
    shape.window_kv.page_count =
        window_kv_tokens(config.window, options.window_streams, kv_tokens) / kPageTokens;
  }
  const uint64_t bytes_per_token = shape.kv.bytes_per_token() + shape.window_kv.bytes_per_token();
  if (bytes_per_token > kKvBytesMax / kv_tokens) {
    return Error(ErrorCode::kExhausted,
                 cat("a KV cache of ", kv_tokens, " tokens of ", format_bytes(bytes_per_token),
                     " each is more than ", format_bytes(kKvBytesMax),
                     "; use a shorter context or fewer layers"));
  }
  if (options.last_layer == config.layer_count) {
    shape.logits_rows = std::min(shape.rows, kLogitsRowsMax);
  }
  shape.position_count = std::min(config.context_length, kv_tokens);
  size_adapters(options, shape);
  return shape;
}

uint64_t scratch_bytes(const model::ModelConfig& config, const SliceShape& shape) {
  const uint64_t head_floats = shape.logits_rows * head_row_floats(config);
  const uint64_t ropes = needs_window_rope(config, shape) ? 2 : 1;
  const uint64_t rope_floats = ropes * shape.position_count * config.rope.dims;
  const uint64_t floats = head_floats + rope_floats + shape.low_floats + shape.delta_floats;
  return BlockScratch::bytes(config, shape.rows) + floats * sizeof(float);
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
  memory.weight_bytes += adapter_bytes(
      list_slice_pairs(options.adapters, options.first_layer, options.last_layer), backend);
  memory.kv_bytes = shape.kv_bytes();
  memory.scratch_bytes = scratch_bytes(model.config(), shape);
  return memory;
}

}  // namespace weft::kernels

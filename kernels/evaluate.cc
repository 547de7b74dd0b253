#include "kernels/evaluate.h"

#include <algorithm>

#include "base/text.h"
#include "kernels/memory.h"

namespace weft::kernels {
namespace {

constexpr SessionId kSession{1};

using Slices = std::vector<std::unique_ptr<Slice>>;

// One slice between each two borders: 0, the cuts, the layer count.
Result<Slices> load_slices(Backend& backend, const model::Model& model, uint32_t token_count,
                           const EvaluateOptions& options) {
  const uint32_t layer_count = model.config().layer_count;
  std::vector<uint32_t> borders = {0};
  for (const uint32_t cut : options.cuts) {
    if (cut <= borders.back() || cut >= layer_count) {
      return Error(ErrorCode::kInvalid, cat("cannot cut before layer ", cut,
                                            "; cuts must ascend within 1 to ", layer_count - 1));
    }
    borders.push_back(cut);
  }
  borders.push_back(layer_count);

  Slices slices;
  for (size_t i = 0; i + 1 < borders.size(); ++i) {
    SliceOptions slice;
    slice.first_layer = borders[i];
    slice.last_layer = borders[i + 1];
    slice.kv_type = options.kv_type;
    slice.adapters = options.adapters;
    slice.kv_tokens = token_count;
    if (options.chunk > 0) slice.rows_max = std::min(slice.rows_max, options.chunk);
    WEFT_TRY(auto loaded, Slice::load(backend, model, slice));
    slices.push_back(std::move(loaded));
  }
  return slices;
}

// Sends one chunk through all slices.
Result<std::vector<float>> run_chunk(Slices& slices, std::span<const TokenId> tokens,
                                     uint32_t first_position) {
  const uint32_t count = uint32_t(tokens.size());
  SliceOutput passed;
  for (auto& slice : slices) {
    SliceBatch batch;
    batch.sequences = {{kSession, first_position, count, count}};
    if (slice->first()) {
      batch.tokens.assign(tokens.begin(), tokens.end());
    } else {
      batch.hidden = passed.hidden;
    }
    WEFT_TRY(SliceOutput output, slice->forward(batch));
    passed = std::move(output);
  }
  return std::move(passed.logits);
}

}  // namespace

Result<std::vector<float>> evaluate_logits(Backend& backend, const model::Model& model,
                                           std::span<const TokenId> tokens,
                                           const EvaluateOptions& options) {
  const model::ModelConfig& config = model.config();
  if (tokens.empty()) return Error(ErrorCode::kInvalid, "no tokens to evaluate; give at least one");
  if (tokens.size() > config.context_length) {
    return Error(ErrorCode::kInvalid, cat(tokens.size(), " tokens do not fit the context of ",
                                          config.context_length, "; give fewer"));
  }
  const uint32_t token_count = uint32_t(tokens.size());
  WEFT_TRY(auto slices, load_slices(backend, model, token_count, options));
  WEFT_TRY(auto logits, make_array<float>(size_t{token_count} * config.vocab_size, "logits"));

  const uint32_t chunk = options.chunk > 0 ? options.chunk : token_count;
  for (uint32_t begin = 0; begin < token_count;) {
    const uint32_t count = std::min(chunk, token_count - begin);
    WEFT_TRY(auto part, run_chunk(slices, tokens.subspan(begin, count), begin));
    std::copy(part.begin(), part.end(), logits.begin() + size_t{begin} * config.vocab_size);
    begin += count;
  }
  return logits;
}

}  // namespace weft::kernels

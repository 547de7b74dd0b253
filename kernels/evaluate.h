// A prompt's logits, through one slice or several in this process: `weft logits` and the golden
// tests.
#pragma once

#include <span>
#include <vector>

#include "kernels/slice.h"

namespace weft::kernels {

struct EvaluateOptions {
  uint32_t chunk = 0;               // rows given at a time; 0: the whole prompt
  std::vector<uint32_t> cuts = {};  // a new slice begins at each of these layers, ascending
  KvType kv_type = KvType::kF32;
  model::Adapters adapters = {};
};

// Logits [tokens.size(), vocab] after each token of the prompt. kInvalid: no tokens, more than the
// context, an id beyond the vocabulary, cuts that are not ascending within the layers.
Result<std::vector<float>> evaluate_logits(Backend& backend, const model::Model& model,
                                           std::span<const TokenId> tokens,
                                           const EvaluateOptions& options);

}  // namespace weft::kernels

// How a stream's tokens are drawn: asked for by a client, carried by the mesh to the last stage,
// used by model/sampler.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/id.h"

namespace weft {

inline constexpr size_t kLogitBiasMax = 512;     // tokens whose logits a request may shift
inline constexpr size_t kGrammarBytesMax = 96 * 1024;
inline constexpr size_t kDrawnMax = 8192;  // tokens that go with a grammar
inline constexpr uint32_t kTopLogprobsMax = 20;  // alternatives that are reported with a token

// A token may be drawn from so many of the largest logits without the others (model::draw_best).
inline constexpr size_t kBestLogitsMax = 64;

struct LogitBias {
  TokenId token = 0;
  float bias = 0;  // added to the logit
  bool operator==(const LogitBias&) const = default;
};
struct TokenLogit {
  TokenId token = 0;
  float logit = 0;
  bool operator==(const TokenLogit&) const = default;
};
struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural logarithm of its probability
  bool operator==(const TokenLogprob&) const = default;
};

struct SamplingParams {
  float temperature = 0;         // 0: the largest logit (lowest id on a tie)
  uint32_t top_k = 0;            // 0: all
  float top_p = 1;               // nucleus, Holtzman et al. 2019, arXiv:1904.09751
  float min_p = 0;               // Nguyen et al. 2024, arXiv:2407.01082
  float repetition_penalty = 1;  // Keskar et al. 2019, arXiv:1909.05858; 1: none
  uint64_t seed = 0;             // key of the counter-based generator
  // Taken off the logit of a token that the answer has, once and for each time it came. Source:
  // OpenAI API reference.
  float presence_penalty = 0, frequency_penalty = 0;
  uint32_t answer_begin = 0;  // position of the answer's first token, which those two look from
  uint32_t logprobs = 0;      // 0: none are reported; n + 1: the token's, and the n likeliest ones
  std::vector<LogitBias> logit_bias = {};
  // The answer follows a grammar (model/grammar.h). Its text goes with the first rows of which a
  // token is drawn, and after them whoever draws keeps the place.
  bool constrained = false;
  std::shared_ptr<const std::string> grammar = {};
  std::vector<TokenId> drawn = {};  // with the grammar: what the answer has so far

  bool operator==(const SamplingParams&) const = default;
};

// A penalty looks at tokens that came before.
inline bool needs_history(const SamplingParams& params) {
  return params.repetition_penalty != 1 || params.presence_penalty != 0 ||
         params.frequency_penalty != 0;
}

}  // namespace weft

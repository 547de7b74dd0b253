// Draws the next token: a pure function of (logits, parameters, history, position, allowed tokens),
// so that a replay on another node draws the same token.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "base/sampling.h"

namespace weft::model {

// kInvalid names the parameter and its range.
Result<> validate(const SamplingParams& params);

// How many last tokens the penalties look at.
inline constexpr size_t kPenaltyWindow = 64;

class TokenSet;

struct Drawn {
  TokenId token = 0;
  // If asked for: of the token, then of the likeliest ones, by the logits as the model gave them
  // (before biases, penalties, the grammar and the temperature).
  std::vector<TokenLogprob> logprobs;
};

// The token for sequence position `position`.
//   logits   [vocab]; not changed. NaN or infinity in them is kCorrupt.
//   history  the tokens before it, at least the last kPenaltyWindow if there are as many
//   allowed  the tokens that may be drawn, at least one; null: all
Result<Drawn> draw(std::span<const float> logits, const SamplingParams& params,
                   std::span<const TokenId> history, uint64_t position,
                   const TokenSet* allowed = nullptr);

// What of a row's logits a token is drawn from first.
struct BestWanted {
  uint32_t count = 0;  // of the best (Backend::best_logits); 0: all
  // With what all tokens weigh together, since the best need not decide; else they do.
  bool total = false;
};
BestWanted best_wanted(const SamplingParams& params, uint32_t vocab_size);

// The token that `draw` would give, from those alone; none if the others decide.
//   best   [best_wanted], in their order; what is no finite number is kCorrupt
//   total  of all tokens' weights (model/token_weight.h), if it is wanted
Result<std::optional<TokenId>> draw_best(std::span<const TokenLogit> best, uint64_t total,
                                         const SamplingParams& params, uint64_t position);

// The token alone.
Result<TokenId> sample(std::span<const float> logits, const SamplingParams& params,
                       std::span<const TokenId> history, uint64_t position);

}  // namespace weft::model

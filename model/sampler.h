// Draws the next token: a pure function of (logits, parameters, history, position), so that a
// replay on another node draws the same token.
#pragma once

#include <cstdint>
#include <span>

#include "base/id.h"
#include "base/result.h"
#include "base/sampling.h"

namespace weft::model {

// kInvalid names the parameter and its range.
Result<> validate(const SamplingParams& params);

// How many last tokens the repetition penalty looks at.
inline constexpr size_t kPenaltyWindow = 64;

// The token for sequence position `position`.
//   logits   [vocab]; not changed. NaN or infinity in them is kCorrupt.
//   history  the tokens before it, at least the last kPenaltyWindow if there are as many
Result<TokenId> sample(std::span<const float> logits, const SamplingParams& params,
                       std::span<const TokenId> history, uint64_t position);

}  // namespace weft::model

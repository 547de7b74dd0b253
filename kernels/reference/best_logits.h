// The logits that a token may be drawn from, the yardstick.
#pragma once

#include <span>

namespace weft::kernels::reference {

// A row's best [2 count] of logits [vocab], as Backend::best_logits says.
void best_logits(std::span<float> best, std::span<const float> logits);

}  // namespace weft::kernels::reference

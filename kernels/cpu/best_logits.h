// The logits that a token may be drawn from, in one pass over a row.
#pragma once

#include <span>

namespace weft::kernels {

// A row's best [2 count] of logits [vocab], as Backend::best_logits says; at most kBestLogitsMax.
void best_of_row(std::span<float> best, std::span<const float> logits);

}  // namespace weft::kernels

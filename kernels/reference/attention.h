// Scaled dot-product attention of one row, the yardstick.
#pragma once

#include <span>

#include "kernels/backend.h"

namespace weft::kernels::reference {

// out[h, :] = sum_p softmax_p(cap(scale * q[h, :] . keys[p, g, :])) * values[p, g, :]
// with g = h / (head_count / kv_head_count), over every position p that is given.
//   q, out        [head_count, head_dim]
//   keys, values  [positions, kv_head_count, head_dim], at least one position
//   sinks         [head_count], or none: a score of each head that takes weight and has no value
// Sources: Vaswani et al. 2017, arXiv:1706.03762; grouped queries, arXiv:2305.13245. f64
// throughout.
void attention_row(std::span<float> out, std::span<const float> q, std::span<const float> keys,
                   std::span<const float> values, std::span<const float> sinks,
                   const AttentionParams& params);

}  // namespace weft::kernels::reference

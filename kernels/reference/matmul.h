// Matrix product, the yardstick.
#pragma once

#include <cstddef>
#include <span>

namespace weft::kernels::reference {

// out[t, n] = sum_k x[t, k] * weight[n, k]
//   x       [rows, cols]
//   weight  [weight.size() / cols, cols], row-major
//   out     [rows, weight.size() / cols]; must not overlap x
// Each sum is one f64 accumulator over k from 0 upwards.
void matmul(std::span<float> out, std::span<const float> x, std::span<const float> weight,
            size_t cols);

}  // namespace weft::kernels::reference

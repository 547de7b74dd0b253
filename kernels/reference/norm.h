// Root mean square normalization, the yardstick.
#pragma once

#include <span>

namespace weft::kernels::reference {

// out[t, d] = x[t, d] / sqrt(mean_d(x[t, d]^2) + epsilon) * weight[d]
//   x, out  [rows, dim] row-major; may be the same buffer
//   weight  [dim]
// Source: Zhang & Sennrich 2019, arXiv:1910.07467; epsilon is added to the mean. Sums in f64.
void rms_norm(std::span<float> out, std::span<const float> x, std::span<const float> weight,
              float epsilon);

}  // namespace weft::kernels::reference

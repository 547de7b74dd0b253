#include "kernels/reference/norm.h"

#include <cmath>

#include "base/assert.h"

namespace weft::kernels::reference {

void rms_norm(std::span<float> out, std::span<const float> x, std::span<const float> weight,
              float epsilon) {
  const size_t dim = weight.size();
  WEFT_ASSERT(dim > 0);
  WEFT_ASSERT(x.size() % dim == 0);
  WEFT_ASSERT(out.size() == x.size());

  for (size_t row = 0; row < x.size(); row += dim) {
    double square_sum = 0;
    for (size_t d = 0; d < dim; ++d) square_sum += double{x[row + d]} * x[row + d];
    const double scale = 1.0 / std::sqrt(square_sum / double(dim) + epsilon);
    for (size_t d = 0; d < dim; ++d) out[row + d] = float(x[row + d] * scale * weight[d]);
  }
}

}  // namespace weft::kernels::reference

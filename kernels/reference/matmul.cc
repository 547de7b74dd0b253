#include "kernels/reference/matmul.h"

#include "base/assert.h"

namespace weft::kernels::reference {

void matmul(std::span<float> out, std::span<const float> x, std::span<const float> weight,
            size_t cols) {
  WEFT_ASSERT(cols > 0);
  WEFT_ASSERT(x.size() % cols == 0);
  WEFT_ASSERT(weight.size() % cols == 0);
  const size_t rows = x.size() / cols;
  const size_t outputs = weight.size() / cols;
  WEFT_ASSERT(out.size() == rows * outputs);

  for (size_t n = 0; n < outputs; ++n) {
    const float* w = weight.data() + n * cols;
    for (size_t t = 0; t < rows; ++t) {
      const float* row = x.data() + t * cols;
      double sum = 0;
      for (size_t k = 0; k < cols; ++k) sum += double{row[k]} * w[k];
      out[t * outputs + n] = float(sum);
    }
  }
}

}  // namespace weft::kernels::reference

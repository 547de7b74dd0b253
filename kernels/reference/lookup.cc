#include "kernels/reference/lookup.h"

#include <algorithm>

#include "base/assert.h"

namespace weft::kernels::reference {

void gather_rows(std::span<float> to, std::span<const float> from, size_t cols,
                 std::span<const uint32_t> indices) {
  WEFT_ASSERT(cols > 0);
  WEFT_ASSERT(to.size() == indices.size() * cols);
  const size_t rows = from.size() / cols;
  for (size_t i = 0; i < indices.size(); ++i) {
    WEFT_ASSERT(indices[i] < rows);
    std::copy_n(from.data() + indices[i] * cols, cols, to.data() + i * cols);
  }
}

}  // namespace weft::kernels::reference

#include "kernels/reference/rope.h"

#include "base/assert.h"

namespace weft::kernels::reference {

void rope(std::span<float> x, uint32_t heads, uint32_t head_dim, const RopeTable& table,
          std::span<const uint32_t> positions) {
  const size_t pairs = table.dims / 2;
  WEFT_ASSERT(table.dims <= head_dim);
  WEFT_ASSERT(x.size() == positions.size() * heads * head_dim);

  for (size_t t = 0; t < positions.size(); ++t) {
    const size_t entry = size_t{positions[t]} * pairs;
    WEFT_ASSERT(entry + pairs <= table.cosines.size());
    for (uint32_t head = 0; head < heads; ++head) {
      float* values = x.data() + (t * heads + head) * head_dim;
      for (size_t i = 0; i < pairs; ++i) {
        float& a = table.interleaved ? values[2 * i] : values[i];
        float& b = table.interleaved ? values[2 * i + 1] : values[i + pairs];
        const double cosine = table.cosines[entry + i];
        const double sine = table.sines[entry + i];
        const double rotated = a * cosine - b * sine;
        b = float(a * sine + b * cosine);
        a = float(rotated);
      }
    }
  }
}

}  // namespace weft::kernels::reference

#include "kernels/reference/elementwise.h"

#include <cmath>

#include "base/assert.h"

namespace weft::kernels::reference {

void swiglu(std::span<float> out, std::span<const float> gate, std::span<const float> up) {
  WEFT_ASSERT(out.size() == gate.size() && up.size() == gate.size());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = gate[i];
    out[i] = float(g / (1.0 + std::exp(-g)) * up[i]);
  }
}

void add(std::span<float> x, std::span<const float> y) {
  WEFT_ASSERT(x.size() == y.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

}  // namespace weft::kernels::reference

#include "kernels/reference/elementwise.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"

namespace weft::kernels::reference {
namespace {

constexpr double kRoot2OverPi = 0.7978845608028654;

}  // namespace

void glu(model::Activation activation, std::span<float> out, std::span<const float> gate,
         std::span<const float> up) {
  WEFT_ASSERT(out.size() == gate.size() && up.size() == gate.size());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = gate[i], u = up[i];
    switch (activation) {
      case model::Activation::kSilu:
        out[i] = float(g / (1 + std::exp(-g)) * u);
        break;
      case model::Activation::kGelu:
        out[i] = float(0.5 * g * (1 + std::tanh(kRoot2OverPi * (g + 0.044715 * g * g * g))) * u);
        break;
      case model::Activation::kClampedSilu: {
        const double low = std::min(g, 7.0);
        out[i] = float(low / (1 + std::exp(-1.702 * low)) * (1 + std::clamp(u, -7.0, 7.0)));
        break;
      }
    }
  }
}

void soft_cap(std::span<float> x, float cap) {
  for (float& value : x) value = float(cap * std::tanh(double{value} / cap));
}

void add(std::span<float> x, std::span<const float> y) {
  WEFT_ASSERT(x.size() == y.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

}  // namespace weft::kernels::reference

#include "kernels/kv_quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/tensor_type.h"

namespace weft::kernels {

uint16_t quantize_kv_block(std::span<const float> values, int8_t* codes) {
  float largest = 0;
  bool finite = true;
  for (const float value : values) {
    largest = std::max(largest, std::fabs(value));
    finite = finite && std::isfinite(value);
  }
  const float wanted = finite ? largest / 127 : std::numeric_limits<float>::quiet_NaN();
  const uint16_t scale = model::f32_to_f16(wanted);
  // Codes are of the scale as it is stored; one that rounded to 0 has none.
  const float stored = model::f16_to_f32(scale);
  const float inverse = finite && stored > 0 ? 1 / stored : 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float code = finite ? std::nearbyint(values[i] * inverse) : 0;
    codes[i] = int8_t(std::clamp(code, -127.0f, 127.0f));
  }
  return scale;
}

}  // namespace weft::kernels

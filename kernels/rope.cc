#include <cmath>

#include "base/assert.h"
#include "kernels/backend.h"

namespace weft::kernels {

// Angles are computed in f64: at position 100,000 an f32 angle is already off by 0.004.
// Source: Su et al. 2021, arXiv:2104.09864.
RopeTable make_rope_table(const model::RopeConfig& config, uint32_t positions) {
  WEFT_ASSERT(config.dims % 2 == 0);
  const uint32_t pairs = config.dims / 2;
  const bool for_long = config.original_context > 0 && positions > config.original_context;
  const std::vector<float>& divisors = for_long ? config.long_divisors : config.divisors;
  WEFT_ASSERT(divisors.empty() || divisors.size() == pairs);

  std::vector<double> frequencies(pairs);
  for (uint32_t i = 0; i < pairs; ++i) {
    const double divisor = divisors.empty() ? 1.0 : double(divisors[i]);
    frequencies[i] = std::pow(double(config.base), -2.0 * i / config.dims) / divisor;
  }

  RopeTable table;
  table.dims = config.dims;
  table.interleaved = config.interleaved;
  table.cosines.resize(size_t{positions} * pairs);
  table.sines.resize(size_t{positions} * pairs);
  for (uint32_t position = 0; position < positions; ++position) {
    const double scaled = double(position) * config.scale;
    for (uint32_t i = 0; i < pairs; ++i) {
      const double angle = scaled * frequencies[i];
      table.cosines[size_t{position} * pairs + i] = float(config.magnitude * std::cos(angle));
      table.sines[size_t{position} * pairs + i] = float(config.magnitude * std::sin(angle));
    }
  }
  return table;
}

}  // namespace weft::kernels

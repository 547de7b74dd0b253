// How far one backend's numbers are from another's.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "base/assert.h"

namespace weft::kernels {

struct Agreement {
  double deviation;    // of the expected ones
  double largest;      // difference, in deviations; of what is no number: infinite
  double correlation;  // no number where either list has but one value
};

inline Agreement compare(std::span<const float> found, std::span<const float> expected) {
  WEFT_ASSERT(found.size() == expected.size() && !found.empty());
  const double n = double(found.size());
  double x_mean = 0, y_mean = 0, largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    x_mean += found[i] / n;
    y_mean += expected[i] / n;
    largest = std::max(largest, std::abs(double{found[i]} - expected[i]));
  }
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double x = found[i] - x_mean, y = expected[i] - y_mean;
    xx += x * x;
    yy += y * y;
    xy += x * y;
  }
  const double deviation = std::sqrt(yy / n);
  return {deviation, std::isfinite(xx) ? largest / deviation : INFINITY, xy / std::sqrt(xx * yy)};
}

}  // namespace weft::kernels

#include "model/quantize_fit.h"

#include "model/quantize_blocks.h"

namespace weft::model {
namespace {

// Values below this are zero as far as a scale is concerned.
constexpr float kNearlyZero = 1e-15f;
// Trials on either side of the range that would map the extreme value to -half, in tenths of a
// code.
constexpr int kTrials = 9;
constexpr float kTrialStep = 0.1f;

// The best scale and minimum for given codes, and the error they leave.
struct AffineSums {
  Float4 w{}, x{}, l{}, l2{}, xl{};

  void add(Float4 weight, Float4 value, Float4 code) {
    w += weight;
    x += weight * value;
    l += weight * code;
    l2 += weight * code * code;
    xl += weight * value * code;
  }
  // Minimizes sum w (scale * l - minimum - x)^2 over both, or over the scale if that minimum would
  // be negative. False if all codes are the same.
  bool solve(AffineFit& fit) const {
    const float sw = sum_of(w), sx = sum_of(x), sl = sum_of(l), sl2 = sum_of(l2), sxl = sum_of(xl);
    const float determinant = sw * sl2 - sl * sl;
    if (!(determinant > 0)) return false;
    fit = {(sw * sxl - sx * sl) / determinant, (sl * sxl - sl2 * sx) / determinant};
    if (fit.minimum < 0) fit = {sxl / sl2, 0};
    return std::isfinite(fit.scale) && std::isfinite(fit.minimum);
  }
};

float affine_error(const float* x, const float* weights, int count, const AffineFit& fit, int top) {
  const float inverse = inverse_of(fit.scale);
  Float4 error{};
  for (int i = 0; i < count; i += 4) {
    const Float4 value = load4(x + i);
    const Float4 code = round4((value + fit.minimum) * inverse, 0, float(top));
    const Float4 difference = fit.scale * code - fit.minimum - value;
    error += load4(weights + i) * difference * difference;
  }
  return sum_of(error);
}

}  // namespace

float fit_symmetric(const float* x, int count, int half, ErrorWeights weights) {
  WEFT_ASSERT(count % 4 == 0);
  const float most = extreme(x, count);
  if (std::fabs(most) < kNearlyZero) return 0;
  float best_scale = 0, best_gain = 0;
  for (int trial = -kTrials; trial <= kTrials; ++trial) {
    const float inverse = -(float(half) + kTrialStep * float(trial)) / most;
    Float4 sums_xl{}, sums_l2{};
    for (int i = 0; i < count; i += 4) {
      const Float4 value = load4(x + i);
      const Float4 code = round4(value * inverse, float(-half), float(half - 1));
      const Float4 weighted = weights == ErrorWeights::kEven ? code : value * value * code;
      sums_xl += weighted * value;
      sums_l2 += weighted * code;
    }
    const float xl = sum_of(sums_xl), l2 = sum_of(sums_l2);
    // The weighted squares of x less the error: what the codes explain.
    if (l2 > 0 && xl * xl > best_gain * l2) {
      best_scale = xl / l2;
      best_gain = best_scale * xl;
    }
  }
  // Squares of small values underflow: the plain range then.
  return best_gain > 0 ? best_scale : most / float(-half);
}

AffineFit fit_affine(const float* x, const float* weights, int count, int top,
                     const AffineSearch& search) {
  WEFT_ASSERT(count % 4 == 0);
  const float low = std::min(0.0f, *std::min_element(x, x + count));
  const float high = std::max(low, *std::max_element(x, x + count));
  if (high - low < kNearlyZero) return {0, -low};
  AffineFit best = {(high - low) / float(top), -low};
  float best_error = affine_error(x, weights, count, best, top);
  for (int step = 0; step <= search.steps; ++step) {
    const float inverse = (search.first + search.step * float(step) + float(top)) / (high - low);
    AffineSums sums;
    for (int i = 0; i < count; i += 4) {
      const Float4 value = load4(x + i);
      sums.add(load4(weights + i), value, round4((value - low) * inverse, 0, float(top)));
    }
    AffineFit fit;
    if (!sums.solve(fit)) continue;
    const float error = affine_error(x, weights, count, fit, top);
    if (error < best_error) {
      best_error = error;
      best = fit;
    }
  }
  return best;
}

}  // namespace weft::model

#include "model/quantize_fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

constexpr AffineSearch kSearch = {-1, 0.1f, 20};

double symmetric_error(const std::vector<float>& x, float scale, int half) {
  double error = 0;
  for (const float value : x) {
    const double code = std::clamp(std::nearbyint(value / scale), float(-half), float(half - 1));
    error += double(value) * value * std::pow(code * scale - value, 2);
  }
  return error;
}

TEST(FitSymmetric, ErrsLessThanTheScaleOfTheExtreme) {
  Random random(test::test_seed(41));
  for (const int half : {4, 8, 32}) {
    double fitted = 0, plain = 0;
    for (int round = 0; round < 200; ++round) {
      std::vector<float> x(16);
      for (float& value : x) value = float(random.normal());
      const float most = *std::max_element(
          x.begin(), x.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
      fitted += symmetric_error(x, fit_symmetric(x.data(), 16, half, ErrorWeights::kSquares), half);
      plain += symmetric_error(x, most / float(-half), half);
    }
    EXPECT_LT(fitted, 0.9 * plain) << half;
  }
}

TEST(FitSymmetric, FindsTheScaleOfValuesThatAreCodes) {
  Random random(test::test_seed(42));
  std::vector<float> x(32);
  for (float& value : x) value = 0.125f * float(int(random.below(16)) - 8);
  x[5] = -1;
  for (const ErrorWeights weights : {ErrorWeights::kEven, ErrorWeights::kSquares}) {
    EXPECT_FLOAT_EQ(fit_symmetric(x.data(), 32, 8, weights), 0.125f);
  }
}

TEST(FitSymmetric, OfZerosIsZeroAndOfTinyValuesTheirRange) {
  std::vector<float> x(32);
  EXPECT_EQ(fit_symmetric(x.data(), 32, 8, ErrorWeights::kSquares), 0);
  x[3] = 8e-14f;  // whose fourth power underflows
  EXPECT_FLOAT_EQ(fit_symmetric(x.data(), 32, 8, ErrorWeights::kSquares), -1e-14f);
}

double affine_error(const std::vector<float>& x, const AffineFit& fit, int top) {
  double error = 0;
  for (const float value : x) {
    const double code =
        std::clamp(std::nearbyint((value + fit.minimum) / fit.scale), 0.0f, float(top));
    error += std::pow(code * fit.scale - fit.minimum - value, 2);
  }
  return error;
}

TEST(FitAffine, ErrsLessThanTheWholeRange) {
  Random random(test::test_seed(43));
  const std::vector<float> weights(32, 1);
  for (const int top : {3, 15, 31}) {
    double fitted = 0, plain = 0;
    for (int round = 0; round < 200; ++round) {
      std::vector<float> x(32);
      for (float& value : x) value = float(random.normal());
      const auto [low, high] = std::minmax_element(x.begin(), x.end());
      fitted += affine_error(x, fit_affine(x.data(), weights.data(), 32, top, kSearch), top);
      plain += affine_error(x, {(*high - *low) / float(top), -*low}, top);
    }
    EXPECT_LT(fitted, 0.95 * plain) << top;
  }
}

TEST(FitAffine, NeverTakesANegativeMinimum) {
  std::vector<float> x(32);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 5 + float(i);
  const std::vector<float> weights(32, 1);
  const AffineFit fit = fit_affine(x.data(), weights.data(), 32, 15, kSearch);
  EXPECT_EQ(fit.minimum, 0);
  EXPECT_NEAR(fit.scale, 36.0 / 15, 0.2);
}

TEST(FitAffine, OfValuesThatAreAllTheSameIsThatValue) {
  const std::vector<float> weights(16, 1), x(16, -3);
  const AffineFit fit = fit_affine(x.data(), weights.data(), 16, 15, kSearch);
  EXPECT_FLOAT_EQ(fit.minimum, 3);
  const std::vector<float> zeros(16);
  EXPECT_EQ(fit_affine(zeros.data(), weights.data(), 16, 15, kSearch).scale, 0);
}

}  // namespace
}  // namespace weft::model

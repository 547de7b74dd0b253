#include "model/token_weight.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

TEST(TokenWeight, IsTheExponentialInWholeNumbers) {
  Random random(test::test_seed(1));
  for (const float temperature : {0.1f, 0.8f, 1.0f, 20.0f}) {
    const float scale = weight_scale(temperature);
    for (int i = 0; i < 20000; ++i) {
      const float below = float(random.uniform() * 25 * temperature);
      // Of y, whose floats lie so far apart, and of the rounding to a whole number.
      const double tolerance = 2e-8 + below / temperature * 1.3e-7;
      const double expected = 0x1p32 * std::exp(-double{below} / double{temperature});
      EXPECT_NEAR(token_weight(below, scale), expected, expected * tolerance + 2) << below;
    }
  }
}

TEST(TokenWeight, NeverGrowsWithTheDistance) {
  uint32_t last = token_weight(0, 1);
  EXPECT_EQ(last, 4294967291u);
  for (uint32_t i = 0; i < 34 * 4096; ++i) {
    const uint32_t weight = token_weight(float(i) / 4096, 1);
    ASSERT_LE(weight, last) << i;
    last = weight;
  }
  EXPECT_EQ(last, 0u);
}

TEST(TokenWeight, IsNoneFarBelowAndOfWhatIsNoNumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(token_weight(33, 1), 0u);
  EXPECT_EQ(token_weight(32.9f, 1), 1u);
  EXPECT_EQ(token_weight(kInfinity, 1), 0u);
  EXPECT_EQ(token_weight(NAN, 1), 0u);
  EXPECT_EQ(token_weight(1, weight_scale(1e-30f)), 0u);
  EXPECT_EQ(token_weight(0, weight_scale(1e-30f)), token_weight(0, 1));
}

TEST(TokenWeight, TotalsTravelAsFloats) {
  for (const uint64_t total : {uint64_t{0}, uint64_t{1}, uint64_t{0xffffff}, uint64_t{1} << 24,
                               uint64_t{0x123456789abcdef}, (uint64_t{1} << 56) - 1}) {
    EXPECT_EQ(join_total(split_total(total)), total);
  }
  const std::vector<float> logits = {3, 1, 2};
  EXPECT_EQ(total_weight(logits, 3, 1),
            uint64_t{token_weight(0, 1)} + token_weight(2, 1) + token_weight(1, 1));
}

}  // namespace
}  // namespace weft::model

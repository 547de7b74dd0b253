#include "kernels/kv_quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"
#include "model/tensor_type.h"
#include "tests/support/support.h"

namespace weft::kernels {
namespace {

TEST(KvQuantize, AValueComesBackWithinHalfACodeOfItsBlock) {
  Random random(test::test_seed(61));
  for (const size_t count : {1u, 5u, 32u}) {
    for (const double size : {1e-6, 1.0, 1000.0}) {
      std::vector<float> values(count);
      float largest = 0;
      for (float& value : values) {
        value = float(random.normal() * size);
        largest = std::max(largest, std::fabs(value));
      }
      int8_t codes[kKvBlock];
      const float scale = model::f16_to_f32(quantize_kv_block(values, codes));
      // Half a code, and what the scale lost: 1 / 2048 of it, or half the smallest half float.
      const double bound = largest / 127.0 / 2 + largest / 2048.0 + 127 * std::ldexp(1.0, -25);
      for (size_t i = 0; i < count; ++i) EXPECT_NEAR(scale * codes[i], values[i], bound);
    }
  }
}

TEST(KvQuantize, ZerosStayZerosAndNoNumberStaysNone) {
  int8_t codes[kKvBlock];
  EXPECT_EQ(quantize_kv_block(std::vector<float>(32, 0.0f), codes), 0);
  for (const int8_t code : codes) EXPECT_EQ(code, 0);
  for (const float odd : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::vector<float> values(32, 1.0f);
    values[7] = odd;
    EXPECT_TRUE(std::isnan(model::f16_to_f32(quantize_kv_block(values, codes))));
  }
}

TEST(KvQuantize, ValuesBeyondAHalfFloatsScaleAreNoNumbers) {
  int8_t codes[kKvBlock];
  const float scale = model::f16_to_f32(quantize_kv_block(std::vector<float>(4, 3e38f), codes));
  EXPECT_FALSE(std::isfinite(scale * codes[0]));
}

}  // namespace
}  // namespace weft::kernels

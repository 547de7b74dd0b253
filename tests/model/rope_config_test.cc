#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/model.h"
#include "tests/model/small_model.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

TEST(RopeConfig, YarnKeepsFastFrequenciesAndSlowsSlowOnes) {
  SmallModel small;
  small.texts["llama.rope.scaling.type"] = "yarn";
  small.fractions["llama.rope.scaling.factor"] = 8;
  small.numbers["llama.rope.scaling.original_context_length"] = 64;
  const auto model = small.open();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const RopeConfig& rope = model->config().rope;
  // With a base of 10000 and 16 dimensions, a pair turns 32 times in 64 positions before the first
  // one and once at 2.02, which is rounded up.
  ASSERT_EQ(rope.divisors.size(), 8u);
  EXPECT_EQ(rope.divisors[0], 1);
  EXPECT_FLOAT_EQ(rope.divisors[1], 1 / (1.0f / 3 / 8 + 2.0f / 3));
  for (size_t i = 3; i < 8; ++i) EXPECT_FLOAT_EQ(rope.divisors[i], 8) << i;
  EXPECT_FLOAT_EQ(rope.magnitude, float(1 + 0.1 * std::log(8.0)));
  EXPECT_EQ(rope.original_context, 0u);
}

TEST(RopeConfig, YarnThatShortensIsRefused) {
  SmallModel small;
  small.texts["llama.rope.scaling.type"] = "yarn";
  small.fractions["llama.rope.scaling.factor"] = 0.5f;
  const auto model = small.open();
  ASSERT_FALSE(model.ok());
  EXPECT_THAT(model.error().message, HasSubstr("a factor of 0.5"));
}

TEST(RopeConfig, LongRopeHasDivisorsForShortAndForLongStreams) {
  SmallModel small;
  small.numbers["llama.rope.scaling.original_context_length"] = 64;
  small.fractions["llama.rope.scaling.attn_factor"] = 1.25f;
  small.tensors["rope_factors_long.weight"] = {TensorType::kF32, {8}, 4};
  small.tensors["rope_factors_short.weight"] = {TensorType::kF32, {8}, 2};
  const auto model = small.open();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const RopeConfig& rope = model->config().rope;
  EXPECT_EQ(rope.divisors, std::vector<float>(8, 2));
  EXPECT_EQ(rope.long_divisors, std::vector<float>(8, 4));
  EXPECT_EQ(rope.original_context, 64u);
  EXPECT_EQ(rope.magnitude, 1.25f);

  small.tensors.erase("rope_factors_short.weight");
  const auto half = small.open();
  ASSERT_FALSE(half.ok());
  EXPECT_THAT(half.error().message, HasSubstr("one of them is missing"));
  small.tensors.erase("rope_factors_long.weight");
  const auto none = small.open();
  ASSERT_TRUE(none.ok()) << none.error().message;
  EXPECT_EQ(none->config().rope.original_context, 0u);
}

}  // namespace
}  // namespace weft::model

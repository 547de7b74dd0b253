#include "base/random.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft {
namespace {

// The known answers published with the generator (Random123, kat_vectors, philox4x32 10).
TEST(Random, MatchesThePublishedVectors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, 0),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, ~uint64_t{0}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Random, IsAPureFunctionOfKeyAndPosition) {
  EXPECT_EQ(uniform_at(7, 100), uniform_at(7, 100));
  EXPECT_NE(uniform_at(7, 100), uniform_at(8, 100));
  EXPECT_NE(uniform_at(7, 100), uniform_at(7, 101));
}

TEST(Random, IsUniformAndNormalEnough) {
  Random random(1);
  double sum = 0, squares = 0, uniform_sum = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform_sum += u;
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(uniform_sum / kDraws, 0.5, 0.01);
  EXPECT_NEAR(sum / kDraws, 0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
}

TEST(Random, StaysBelowItsBound) {
  Random random(2);
  bool seen[7] = {};
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = random.below(7);
    ASSERT_LT(value, 7u);
    seen[value] = true;
  }
  for (const bool one : seen) EXPECT_TRUE(one);
}

}  // namespace
}  // namespace weft

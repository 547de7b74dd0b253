#include <gtest/gtest.h>

#include <cmath>

#include "kernels/backend.h"

namespace weft::kernels {
namespace {

TEST(RopeTable, PositionZeroRotatesByNothing) {
  const RopeTable table = make_rope_table({.dims = 8, .divisors = {}}, 1);
  EXPECT_EQ(table.cosines, std::vector<float>(4, 1.0f));
  EXPECT_EQ(table.sines, std::vector<float>(4, 0.0f));
}

TEST(RopeTable, FrequenciesFallFromOneByPowersOfTheBase) {
  const RopeTable table = make_rope_table({.base = 100, .dims = 4, .divisors = {}}, 4);
  ASSERT_EQ(table.cosines.size(), 8u);
  EXPECT_FLOAT_EQ(table.cosines[3 * 2 + 0], std::cos(3.0f));
  EXPECT_FLOAT_EQ(table.sines[3 * 2 + 0], std::sin(3.0f));
  EXPECT_FLOAT_EQ(table.cosines[3 * 2 + 1], std::cos(0.3f));  // 100^(-2/4) = 1/10
  EXPECT_FLOAT_EQ(table.sines[3 * 2 + 1], std::sin(0.3f));
}

TEST(RopeTable, LinearScalingSlowsPositionsAndDivisorsSlowFrequencies) {
  const RopeTable plain = make_rope_table({.dims = 4, .divisors = {}}, 9);
  const RopeTable scaled = make_rope_table({.dims = 4, .scale = 0.25f, .divisors = {}}, 9);
  EXPECT_FLOAT_EQ(scaled.sines[8 * 2], plain.sines[2 * 2]);
  const RopeTable divided = make_rope_table({.dims = 4, .divisors = {1, 8}}, 9);
  EXPECT_FLOAT_EQ(divided.sines[8 * 2], plain.sines[8 * 2]);
  EXPECT_FLOAT_EQ(divided.sines[8 * 2 + 1], plain.sines[1 * 2 + 1]);
}

TEST(RopeTable, LongStreamsHaveDivisorsOfTheirOwn) {
  const model::RopeConfig config{.dims = 4,
                                 .magnitude = 1.5f,
                                 .divisors = {1, 1},
                                 .original_context = 8,
                                 .long_divisors = {2, 2}};
  const RopeTable within = make_rope_table(config, 8), beyond = make_rope_table(config, 9);
  EXPECT_FLOAT_EQ(within.sines[2 * 2], 1.5f * std::sin(2.0f));
  EXPECT_FLOAT_EQ(beyond.sines[2 * 2], 1.5f * std::sin(1.0f));
}

TEST(RopeTable, AnglesStayExactAtLatePositions) {
  const RopeTable table = make_rope_table({.base = 500000, .dims = 64, .divisors = {}}, 100001);
  for (uint32_t i = 0; i < 32; ++i) {
    const long double frequency = powl(500000.0L, -2.0L * i / 64);
    EXPECT_NEAR(table.sines[100000 * 32 + i], double(sinl(100000.0L * frequency)), 1e-7);
  }
}

}  // namespace
}  // namespace weft::kernels

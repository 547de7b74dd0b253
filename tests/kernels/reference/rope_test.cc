#include "kernels/reference/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace weft::kernels::reference {
namespace {

// One pair frequency of a quarter turn per position, one of none.
RopeTable quarter_turns(bool interleaved) {
  RopeTable table;
  table.dims = 4;
  table.interleaved = interleaved;
  table.cosines = {1, 1, 0, 1};
  table.sines = {0, 0, 1, 0};
  return table;
}

TEST(ReferenceRope, InterleavedRotatesNeighbours) {
  std::vector<float> x = {1, 2, 3, 4};
  const uint32_t positions[] = {1};
  rope(x, 1, 4, quarter_turns(true), positions);
  EXPECT_EQ(x, (std::vector<float>{-2, 1, 3, 4}));
}

TEST(ReferenceRope, OtherwiseTheHalvesArePaired) {
  std::vector<float> x = {1, 2, 3, 4};
  const uint32_t positions[] = {1};
  rope(x, 1, 4, quarter_turns(false), positions);
  EXPECT_EQ(x, (std::vector<float>{-3, 2, 1, 4}));
}

TEST(ReferenceRope, ElementsBeyondTheDimsAndPositionZeroStay) {
  // Two rows (positions 1 and 0) of two heads of six elements, four of which may rotate.
  std::vector<float> x(24);
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i + 1);
  const std::vector<float> before = x;
  const uint32_t positions[] = {1, 0};
  rope(x, 2, 6, quarter_turns(true), positions);
  EXPECT_EQ(x[0], -2);
  EXPECT_EQ(x[6], -8);  // the second head rotates alike
  EXPECT_EQ(x[4], 5);
  EXPECT_EQ(x[11], 12);
  for (size_t i = 12; i < 24; ++i) EXPECT_EQ(x[i], before[i]);
}

TEST(ReferenceRope, ScoresDependOnTheDistanceOnly) {
  const RopeTable table =
      make_rope_table({.base = 10000, .dims = 8, .interleaved = false, .divisors = {}}, 64);
  const std::vector<float> q = {0.3f, -1, 0.5f, 2, 1, -0.2f, 0.7f, 0.1f};
  const std::vector<float> k = {1, 0.4f, -0.6f, 0.2f, 0.8f, 1.5f, -1, 0.3f};
  const auto score = [&](uint32_t q_position, uint32_t k_position) {
    std::vector<float> rotated_q = q, rotated_k = k;
    rope(rotated_q, 1, 8, table, {&q_position, 1});
    rope(rotated_k, 1, 8, table, {&k_position, 1});
    double sum = 0;
    for (size_t i = 0; i < 8; ++i) sum += double{rotated_q[i]} * rotated_k[i];
    return sum;
  };
  EXPECT_NEAR(score(10, 3), score(60, 53), 1e-5);
  EXPECT_GT(std::abs(score(10, 3) - score(10, 4)), 1e-3);
}

}  // namespace
}  // namespace weft::kernels::reference

#include "kernels/reference/best_logits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace weft::kernels::reference {
namespace {

std::vector<float> best_of(const std::vector<float>& logits, size_t count) {
  std::vector<float> best(2 * count);
  best_logits(best, logits);
  return best;
}

TEST(BestLogits, AreTheLargestTheLowerColumnWhereTwoAreEqual) {
  EXPECT_EQ(best_of({1, 3, -2, 3, 0}, 1), (std::vector<float>{1, 3}));
  EXPECT_EQ(best_of({1, 3, -2, 3, 0}, 4), (std::vector<float>{1, 3, 0, 4, 3, 3, 1, 0}));
}

TEST(BestLogits, ZerosAreEqualWhateverTheirSign) {
  EXPECT_EQ(best_of({-1, -0.0f, 0.0f}, 2), (std::vector<float>{1, 2, 0, 0}));
}

TEST(BestLogits, WhatIsNoNumberComesFirstSoThatItIsSeen) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto best = best_of({5, -infinity, 7, NAN, infinity}, 4);
  EXPECT_EQ(std::vector<float>(best.begin(), best.begin() + 4), (std::vector<float>{1, 3, 4, 2}));
  EXPECT_EQ(best[4], -infinity);
  EXPECT_TRUE(std::isnan(best[5]));
}

}  // namespace
}  // namespace weft::kernels::reference

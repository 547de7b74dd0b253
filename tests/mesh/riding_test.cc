#include "mesh/riding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "mesh/limits.h"

namespace weft::mesh {
namespace {

constexpr double kStep = 0.025;

class RidingTest : public ::testing::Test {
 protected:
  RidingTest() {
    riding_.start();
    riding_.on_decode(kStep);
  }

  // Batches of which each takes what `time_of` says of its prefill rows; the longest of the second
  // half, as a share of a step.
  double run(int batches, const std::function<double(uint32_t)>& time_of) {
    double longest = 0;
    for (int i = 0; i < batches; ++i) {
      const uint32_t rows = riding_.rows(128);
      riding_.on_ride(rows, time_of(rows));
      if (2 * i >= batches) longest = std::max(longest, time_of(rows) / kStep);
    }
    return longest;
  }

  Riding riding_;
};

TEST_F(RidingTest, AddsAsManyAsTheLimitAllowsWhereEachRowTakesTheSame) {
  const double row_s = kStep / 20;
  run(2000, [&](uint32_t rows) { return kStep + rows * row_s; });
  EXPECT_NEAR(riding_.rows(128), kPrefillShare * 20, 1.01);
}

// Four rows fit the tile of the streams' four; a fifth costs as much as eight.
TEST_F(RidingTest, StaysBelowACliffAndTriesItRarely) {
  const auto time_of = [](uint32_t rows) { return rows <= 4 ? 1.2 * kStep : 1.9 * kStep; };
  run(100, time_of);
  int beyond = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint32_t rows = riding_.rows(128);
    EXPECT_GE(rows, 4u);
    beyond += rows > 4;
    riding_.on_ride(rows, time_of(rows));
  }
  EXPECT_LE(beyond, 1000 / int(kRidingPatience));
}

TEST_F(RidingTest, GrowsAtOnceWhereRowsCostNextToNothing) {
  run(5, [](uint32_t) { return kStep * 1.05; });
  EXPECT_EQ(riding_.rows(128), 128u);
}

TEST_F(RidingTest, GoesDownToTheLeastWhereEvenThatIsTooMuch) {
  EXPECT_GT(run(50, [](uint32_t rows) { return kStep * (2 + rows); }), 2);
  EXPECT_EQ(riding_.rows(128), kRidingRowsMin);
  EXPECT_EQ(riding_.rows(1), 1u);
}

TEST_F(RidingTest, OneSlowBatchIsForgotten) {
  const auto usual = [](uint32_t rows) { return kStep + rows * kStep / 20; };
  run(2000, usual);
  const uint32_t before = riding_.rows(128);
  riding_.on_ride(before, 4 * kStep);
  EXPECT_LT(riding_.rows(128), before / 2);
  run(2000, usual);
  EXPECT_NEAR(riding_.rows(128), before, 1.01);
}

TEST_F(RidingTest, AStepOfStreamsThatWasHeldUpMakesNoRoom) {
  const auto usual = [](uint32_t rows) { return kStep + rows * kStep / 20; };
  run(2000, usual);
  const uint32_t before = riding_.rows(128);
  riding_.on_decode(10 * kStep);
  run(20, usual);
  EXPECT_LE(riding_.rows(128), before + 1);
}

TEST_F(RidingTest, LearnsNothingFromThePromptsLastRowsNorBeforeAStepIsKnown) {
  for (int i = 0; i < 100; ++i) riding_.on_ride(1, kStep);
  EXPECT_EQ(riding_.rows(128), kRidingRowsFirst);
  riding_.start();
  riding_.on_ride(8, 100);
  EXPECT_EQ(riding_.rows(128), kRidingRowsFirst);
}

}  // namespace
}  // namespace weft::mesh

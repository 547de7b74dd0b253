#include "mesh/grouping.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "mesh/limits.h"

namespace weft::mesh {
namespace {

class GroupingTest : public ::testing::Test {
 protected:
  GroupingTest() { grouping_.start(3); }

  // Batches for so long, where one of n rows takes base + n * row.
  void run(Duration time, size_t streams, Duration one_group, Duration more_groups,
           bool pure = true) {
    const Time end = now_ + time;
    while (now_ < end) {
      const uint32_t rows = std::min(grouping_.rows_per_batch(streams), uint32_t(streams));
      now_ = now_ + rows * (grouping_.groups() == 1 ? one_group : more_groups);
      grouping_.on_batch(rows, pure, streams, now_);
    }
  }

  Grouping grouping_;
  Time now_{1'000'000'000};
};

constexpr Duration kTrials = kGroupFirstTrial + 4 * kGroupTrial + seconds(1);

TEST_F(GroupingTest, BeginsWithOneGroupAndTriesNothingForAMoment) {
  run(kGroupFirstTrial - milliseconds(100), 8, milliseconds(10), milliseconds(1));
  EXPECT_EQ(grouping_.groups(), 1u);
  EXPECT_EQ(grouping_.rows_per_batch(8), kDecodeRowsMax);
  EXPECT_EQ(grouping_.rows_to_wait_for(8), 8u);
}

TEST_F(GroupingTest, KeepsWhatGivesMoreRowsPerSecond) {
  run(kTrials, 8, milliseconds(10), milliseconds(8));
  EXPECT_EQ(grouping_.groups(), 3u);
  EXPECT_EQ(grouping_.rows_per_batch(8), 3u);
  EXPECT_EQ(grouping_.rows_per_batch(3), 1u);
  EXPECT_EQ(grouping_.rows_per_batch(1), 1u);
  EXPECT_EQ(grouping_.rows_per_batch(0), 1u);
  EXPECT_EQ(grouping_.rows_to_wait_for(8), 1u);
  grouping_.start(3);
  run(kTrials, 8, milliseconds(8), milliseconds(10));
  EXPECT_EQ(grouping_.groups(), 1u);
  grouping_.start(3);
  run(kTrials, 8, microseconds(10200), milliseconds(10));
  EXPECT_EQ(grouping_.groups(), 1u) << "2 % is within the noise";
}

TEST_F(GroupingTest, ATrialOfTheSlowerWayTakesAFewRounds) {
  const Time end = now_ + kTrials;
  Duration slower{0};
  while (now_ < end) {
    const Time before = now_;
    const bool trying = grouping_.groups() == 3;
    run(Duration(1), 8, milliseconds(8), milliseconds(16));
    if (trying) slower += now_ - before;
  }
  EXPECT_GT(slower, Duration(0));
  EXPECT_LE(slower, (kGroupRounds + 2) * 8 * milliseconds(16));
}

TEST_F(GroupingTest, OneRoundOfMuchLessEndsATrial) {
  while (grouping_.groups() == 1) run(Duration(1), 8, milliseconds(8), milliseconds(16));
  uint32_t rows = 0;
  while (grouping_.groups() == 3) {
    const uint32_t batch = grouping_.rows_per_batch(8);
    run(Duration(1), 8, milliseconds(8), milliseconds(16));
    rows += batch;
  }
  EXPECT_LE(rows, 2u * 8 + 2) << "a round in the old order, a round of the trial";
}

TEST_F(GroupingTest, LooksAgainEverMoreRarelyAndChangesItsMind) {
  run(kTrials, 8, milliseconds(8), milliseconds(10));
  ASSERT_EQ(grouping_.groups(), 1u);
  run(kGroupTrialEvery - kTrials, 8, milliseconds(10), milliseconds(8));
  EXPECT_EQ(grouping_.groups(), 1u) << "not so soon";
  run(2 * kTrials, 8, milliseconds(10), milliseconds(8));
  EXPECT_EQ(grouping_.groups(), 3u);
}

TEST_F(GroupingTest, TriesNothingWithOneStreamWithPromptsOrWithOneStage) {
  run(2 * kTrials, 1, milliseconds(10), milliseconds(1));
  EXPECT_EQ(grouping_.groups(), 1u);
  run(2 * kTrials, 8, milliseconds(10), milliseconds(1), false);
  EXPECT_EQ(grouping_.groups(), 1u);
  grouping_.start(1);
  run(2 * kTrials, 8, milliseconds(10), milliseconds(8));
  EXPECT_EQ(grouping_.rows_per_batch(8), kDecodeRowsMax);
  EXPECT_EQ(grouping_.rows_to_wait_for(8), 1u) << "nothing to gain by waiting";
}

TEST_F(GroupingTest, APromptThatComesDuringATrialEndsIt) {
  while (grouping_.groups() == 1) run(Duration(1), 8, milliseconds(8), milliseconds(10));
  run(Duration(1), 8, milliseconds(8), milliseconds(10), false);
  EXPECT_EQ(grouping_.groups(), 1u) << "what was kept serves while it lasts";
  run(kTrials, 8, milliseconds(10), milliseconds(8));
  EXPECT_EQ(grouping_.groups(), 3u) << "another trial follows";
}

TEST_F(GroupingTest, AStreamThatComesOrGoesBeginsTheCountAnew) {
  for (size_t i = 0; i < 40; ++i) {
    run(kGroupTrial / 2, 4 + i % 2, milliseconds(10), milliseconds(1));
  }
  EXPECT_EQ(grouping_.groups(), 1u) << "no count can have ended";
}

}  // namespace
}  // namespace weft::mesh

#include "node/poolings.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace weft::node {
namespace {

using transport::Pooling;

constexpr size_t kDim = 3;

mesh::BatchSequence rows(uint32_t first, uint32_t count, bool last,
                         Pooling pooling = Pooling::kMean, uint64_t session = 1) {
  mesh::BatchSequence sequence;
  sequence.session = SessionId{session};
  sequence.first_position = first;
  sequence.row_count = count;
  sequence.sample = last;
  sequence.pooling = pooling;
  return sequence;
}

TEST(Poolings, TheMeanDoesNotDependOnTheChunks) {
  Random random(3);
  std::vector<float> values(10 * kDim);
  for (float& value : values) value = float(random.normal() * 1000);
  Poolings poolings;
  const auto whole = poolings.take(rows(0, 10, true), values, kDim);
  ASSERT_TRUE(whole.ok());
  for (size_t d = 0; d < kDim; ++d) {
    double sum = 0;
    for (size_t row = 0; row < 10; ++row) sum += values[row * kDim + d];
    EXPECT_FLOAT_EQ((*whole)[d], float(sum / 10));
  }
  const std::span<const float> all(values);
  for (uint32_t cut = 1; cut < 10; ++cut) {
    const auto first = poolings.take(rows(0, cut, false), all.first(cut * kDim), kDim);
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(first->empty());
    const auto rest = poolings.take(rows(cut, 10 - cut, true), all.subspan(cut * kDim), kDim);
    ASSERT_TRUE(rest.ok());
    EXPECT_EQ(*rest, *whole) << cut;
  }
}

TEST(Poolings, SessionsAreSummedApart) {
  Poolings poolings;
  ASSERT_TRUE(poolings.take(rows(0, 1, false), std::vector<float>{1, 2, 3}, kDim).ok());
  ASSERT_TRUE(
      poolings.take(rows(0, 1, true, Pooling::kMean, 2), std::vector<float>{9, 9, 9}, kDim).ok());
  EXPECT_EQ(*poolings.take(rows(1, 1, true), std::vector<float>{3, 4, 5}, kDim),
            (std::vector<float>{2, 3, 4}));
}

TEST(Poolings, OfTheLastTokenOneRowIsWanted) {
  EXPECT_EQ(Poolings::rows_wanted(rows(0, 5, false, Pooling::kLast)), 0u);
  EXPECT_EQ(Poolings::rows_wanted(rows(5, 5, true, Pooling::kLast)), 1u);
  EXPECT_EQ(Poolings::rows_wanted(rows(5, 5, true, Pooling::kMean)), 5u);
  EXPECT_EQ(Poolings::rows_wanted(rows(5, 5, true, Pooling::kNone)), 0u);
  Poolings poolings;
  EXPECT_TRUE(poolings.take(rows(0, 5, false, Pooling::kLast), {}, kDim)->empty());
  EXPECT_EQ(*poolings.take(rows(5, 5, true, Pooling::kLast), std::vector<float>{1, 2, 3}, kDim),
            (std::vector<float>{1, 2, 3}));
}

TEST(Poolings, RowsWithoutThoseBeforeThemAreStale) {
  Poolings poolings;
  const std::vector<float> row = {1, 2, 3};
  EXPECT_EQ(poolings.take(rows(4, 1, true), row, kDim).error().code, ErrorCode::kStale);
  ASSERT_TRUE(poolings.take(rows(0, 1, false), row, kDim).ok());
  poolings.release(SessionId{1});
  EXPECT_EQ(poolings.take(rows(1, 1, true), row, kDim).error().code, ErrorCode::kStale);
  ASSERT_TRUE(poolings.take(rows(0, 1, false), row, kDim).ok());
  EXPECT_TRUE(poolings.take(rows(0, 1, true), row, kDim).ok()) << "position 0 starts anew";
}

}  // namespace
}  // namespace weft::node

#include "kernels/slice_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace weft::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr SessionId kAlice{0xa}, kBob{0xb};

// Alice has 5 positions, nobody else has any.
BatchLimits limits(bool takes_tokens) {
  return {.takes_tokens = takes_tokens,
          .hidden_dim = 4,
          .vocab_size = 100,
          .context_length = 16,
          .length_of = [](SessionId session) { return session == kAlice ? 5u : 0u; }};
}

SliceBatch tokens_batch(std::vector<SequenceRows> sequences) {
  SliceBatch batch;
  batch.sequences = std::move(sequences);
  size_t rows = 0;
  for (const SequenceRows& sequence : batch.sequences) rows += sequence.row_count;
  batch.tokens.assign(rows, 7);
  return batch;
}

void expect_invalid(const SliceBatch& batch, const std::string& word, bool takes_tokens = true) {
  const auto result = check_batch(batch, limits(takes_tokens));
  ASSERT_FALSE(result.ok()) << "expected a refusal about '" << word << "'";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr(word));
}

TEST(CheckBatch, LaysRowsOutInOrderWithTheWantedOnesMarked) {
  const auto plan =
      check_batch(tokens_batch({{kAlice, 5, 1, 1}, {kBob, 0, 3, 2, 1}}), limits(true)).value();
  EXPECT_EQ(plan.row_count, 4u);
  EXPECT_THAT(plan.positions, ElementsAre(5, 0, 1, 2));
  EXPECT_THAT(plan.span_of_row, ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(plan.wanted_rows, ElementsAre(0, 2, 3));
  EXPECT_THAT(plan.embedding_rows, ElementsAre(3));
  ASSERT_EQ(plan.spans.size(), 2u);
  EXPECT_EQ(plan.spans[0].end, 6u);
  EXPECT_EQ(plan.spans[1].end, 3u);
}

TEST(CheckBatch, AnEarlierPositionRollsBackAndZeroStartsAnew) {
  const auto rolled = check_batch(tokens_batch({{kAlice, 2, 1, 1}}), limits(true)).value();
  EXPECT_EQ(rolled.spans[0].begin, 2u);
  EXPECT_EQ(rolled.spans[0].end, 3u);
  EXPECT_EQ(check_batch(tokens_batch({{kAlice, 0, 2, 1}}), limits(true)).value().spans[0].end, 2u);
}

TEST(CheckBatch, ASessionMayComeTwiceIfItGoesOnWhereItEnded) {
  const auto plan =
      check_batch(tokens_batch({{kAlice, 3, 2, 0}, {kBob, 0, 1, 0}, {kAlice, 5, 2, 1}}),
                  limits(true))
          .value();
  ASSERT_EQ(plan.spans.size(), 2u);
  EXPECT_EQ(plan.spans[0].begin, 3u);
  EXPECT_EQ(plan.spans[0].end, 7u);
  expect_invalid(tokens_batch({{kAlice, 5, 2, 0}, {kAlice, 6, 2, 1}}), "does not follow on");
}

TEST(CheckBatch, AGapIsRefused) {
  expect_invalid(tokens_batch({{kAlice, 6, 1, 1}}), "does not follow on from the 5");
  expect_invalid(tokens_batch({{kBob, 1, 1, 1}}), "does not follow on from the 0");
}

TEST(CheckBatch, PositionsBeyondTheContextAreRefusedWithBothNumbers) {
  EXPECT_TRUE(check_batch(tokens_batch({{kBob, 0, 16, 1}}), limits(true)).ok());
  expect_invalid(tokens_batch({{kBob, 0, 17, 1}}), "17 positions do not fit the context of 16");
}

TEST(CheckBatch, CountsThatWouldWrapAreRefused) {
  SliceBatch batch;
  batch.sequences = {{kAlice, 5, UINT32_MAX, 0}, {kBob, 0, 2, 0}};
  batch.tokens = {1};
  expect_invalid(batch, "rows in a batch");
  batch.sequences = {{kAlice, UINT32_MAX, 1, 0}};
  expect_invalid(batch, "does not follow on");
}

TEST(CheckBatch, EmptyBatchesAndSequencesAreRefused) {
  expect_invalid({}, "without rows");
  expect_invalid(tokens_batch({{kBob, 0, 0, 0}}), "no rows");
}

TEST(CheckBatch, MoreLogitsOrEmbeddingsThanRowsAreRefused) {
  expect_invalid(tokens_batch({{kBob, 0, 2, 3}}), "logits of 3 rows");
  expect_invalid(tokens_batch({{kBob, 0, 2, 0, 3}}), "embeddings of 3 rows");
}

TEST(CheckBatch, RowsOfWhichTheBestLogitsAreWantedHaveTheirPlaces) {
  const auto plan = check_batch(tokens_batch({{kAlice, 5, 2, 2, 0, 3}, {kBob, 0, 3, 1, 0, 64},
                                              {SessionId{7}, 0, 1, 1}}),
                                limits(true))
                        .value();
  EXPECT_THAT(plan.wanted_rows, ElementsAre(5));
  ASSERT_EQ(plan.best_rows.size(), 3u);
  EXPECT_EQ(plan.best_rows[1].row, 1u);
  EXPECT_EQ(plan.best_rows[1].at, 3u);
  EXPECT_EQ(plan.best_rows[2].row, 4u);
  EXPECT_EQ(plan.best_rows[2].count, 64u);
  EXPECT_EQ(plan.best_rows[2].at, 6u);
  EXPECT_EQ(plan.best_count, 70u);
  expect_invalid(tokens_batch({{kBob, 0, 1, 1, 0, 65}}), "at most 64");
  BatchLimits few = limits(true);
  few.vocab_size = 10;
  EXPECT_FALSE(check_batch(tokens_batch({{kBob, 0, 1, 1, 0, 11}}), few).ok());
}

TEST(CheckBatch, TokensOutsideTheVocabularyAreRefused) {
  SliceBatch batch = tokens_batch({{kBob, 0, 2, 1}});
  batch.tokens[1] = 99;
  EXPECT_TRUE(check_batch(batch, limits(true)).ok());
  batch.tokens[1] = 100;
  expect_invalid(batch, "token 100");
  batch.tokens[1] = -1;
  expect_invalid(batch, "token -1");
}

TEST(CheckBatch, AShapeThatDoesNotFitIsRefused) {
  SliceBatch batch = tokens_batch({{kBob, 0, 2, 1}});
  batch.tokens.push_back(1);
  expect_invalid(batch, "3 tokens");
  batch.tokens.pop_back();
  expect_invalid(batch, "takes 2 rows of 4 hidden values", false);

  const std::vector<float> hidden(7);
  batch.tokens.clear();
  batch.hidden = hidden;
  expect_invalid(batch, "7 values", false);
  expect_invalid(batch, "no hidden states", true);
}

TEST(CheckBatch, HiddenStatesThatAreNoNumbersAreRefusedWithTheirRow) {
  std::vector<float> hidden(8, 0.5f);
  SliceBatch batch;
  batch.sequences = {{kBob, 0, 2, 1}};
  batch.hidden = hidden;
  EXPECT_TRUE(check_batch(batch, limits(false)).ok());
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    hidden[6] = bad;
    expect_invalid(batch, "row 1", false);
  }
}

}  // namespace
}  // namespace weft::kernels

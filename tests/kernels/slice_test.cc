#include "kernels/slice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "kernels/reference/best_logits.h"
#include "model/sampler.h"
#include "model/token_weight.h"
#include "tests/kernels/tiny_model.h"
#include "tests/kernels/wrapped_backend.h"

namespace weft::kernels {
namespace {

using ::testing::HasSubstr;

constexpr SessionId kAlice{1}, kBob{2}, kCarol{3};

class SliceTest : public ::testing::Test {
 protected:
  std::unique_ptr<Slice> load(SliceOptions options) {
    return Slice::load(backend_, tiny_.get(), options).value();
  }
  std::unique_ptr<Slice> whole(uint32_t kv_tokens = 256, uint32_t rows_max = 512) {
    return load({.last_layer = 3, .kv_tokens = kv_tokens, .rows_max = rows_max});
  }
  static Result<SliceOutput> run(Slice& slice, std::vector<SequenceRows> sequences,
                                 std::vector<TokenId> tokens) {
    return slice.forward({std::move(sequences), std::move(tokens), {}});
  }
  // Logits after the last of `tokens`, computed alone on a fresh slice.
  std::vector<float> alone(const std::vector<TokenId>& tokens) {
    const uint32_t count = uint32_t(tokens.size());
    return run(*whole(), {{kAlice, 0, count, 1}}, tokens).value().logits;
  }
  static std::vector<TokenId> part(const std::vector<TokenId>& tokens, size_t begin, size_t count) {
    return {tokens.begin() + begin, tokens.begin() + begin + count};
  }

  TinyModel tiny_;
  WrappedBackend backend_;
};

TEST_F(SliceTest, ABatchOfSessionsGivesTheBytesOfEachAlone) {
  const auto a = tiny_.tokens(40, 1), b = tiny_.tokens(33, 2), c = tiny_.tokens(1, 3);
  auto slice = whole();
  std::vector<TokenId> prompt = a;
  prompt.pop_back();
  ASSERT_TRUE(run(*slice, {{kAlice, 0, 39, 0}}, prompt).ok());

  // Alice decodes one token while Bob's and Carol's prompts come in.
  std::vector<TokenId> mixed = {a.back()};
  mixed.insert(mixed.end(), b.begin(), b.end());
  mixed.insert(mixed.end(), c.begin(), c.end());
  const auto output =
      run(*slice, {{kAlice, 39, 1, 1}, {kBob, 0, 33, 1}, {kCarol, 0, 1, 1}}, mixed).value();
  std::vector<float> expected = alone(a);
  for (const auto& tokens : {b, c}) {
    const auto logits = alone(tokens);
    expected.insert(expected.end(), logits.begin(), logits.end());
  }
  EXPECT_EQ(output.logits, expected);
}

TEST_F(SliceTest, MoreRowsThanTheScratchHoldsAreSplitWithoutATrace) {
  const auto tokens = tiny_.tokens(100);
  const auto expected = run(*whole(), {{kAlice, 0, 100, 70}}, tokens).value().logits;
  ASSERT_EQ(expected.size(), 70u * 61);
  for (const uint32_t rows_max : {1u, 7u, 33u}) {
    auto slice = whole(256, rows_max);
    EXPECT_EQ(run(*slice, {{kAlice, 0, 100, 70}}, tokens).value().logits, expected);
    EXPECT_LE(backend_.matmul_rows, rows_max);
  }
}

TEST_F(SliceTest, OnlyWantedLogitsAreComputed) {
  auto slice = whole();
  const auto tokens = tiny_.tokens(10);
  const auto all = run(*slice, {{kAlice, 0, 10, 10}}, tokens).value().logits;
  EXPECT_EQ(backend_.matmul_rows, 10u);
  const auto two = run(*slice, {{kBob, 0, 10, 2}}, tokens).value().logits;
  EXPECT_EQ(backend_.matmul_rows, 2u) << "the head ran on the wanted rows";
  EXPECT_EQ(two, std::vector<float>(all.end() - 2 * 61, all.end()));
  const uint32_t calls = backend_.matmul_calls;
  EXPECT_TRUE(run(*slice, {{kCarol, 0, 10, 0}}, tokens).value().logits.empty());
  EXPECT_EQ(backend_.matmul_calls - calls, 3 * 4u) << "without the head";
}

// Beside rows whose logits are all wanted, and in parts of any size.
TEST_F(SliceTest, TheBestLogitsAreThoseOfAllOfThem) {
  const auto tokens = tiny_.tokens(70);
  const auto all = run(*whole(), {{kAlice, 0, 70, 70}}, tokens).value().logits;
  const auto expect_best = [&](std::span<const TokenLogit> got, uint32_t row) {
    std::vector<float> best(2 * got.size());
    reference::best_logits(best, std::span(all).subspan(size_t{row} * 61, 61));
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i], (TokenLogit{TokenId(best[i]), best[got.size() + i]})) << row << " " << i;
    }
  };
  std::vector<TokenId> thrice;
  for (int i = 0; i < 3; ++i) thrice.insert(thrice.end(), tokens.begin(), tokens.end());
  for (const uint32_t rows_max : {1u, 7u, 33u, 512u}) {
    const auto output = run(*whole(512, rows_max),
                            {{kAlice, 0, 70, 2, 0, 5},
                             {kBob, 0, 70, 45},
                             {kCarol, 0, 70, 40, 0, 1}},
                            thrice).value();
    EXPECT_EQ(output.logits, std::vector<float>(all.begin() + 25 * 61, all.end()));
    ASSERT_EQ(output.best.size(), 2u * 5 + 40);
    const std::span<const TokenLogit> best = output.best;
    expect_best(best.first(5), 68);
    expect_best(best.subspan(5, 5), 69);
    for (uint32_t i = 0; i < 40; ++i) expect_best(best.subspan(10 + i, 1), 30 + i);
  }
}

// With what all tokens weigh; and with all logits where those leave the token open.
TEST_F(SliceTest, WhatTheBestLeaveOpenComesWithThem) {
  constexpr uint32_t kVocab = 301, kRows = 70;
  const TinyModel wide({.vocab = kVocab});
  const auto load = [&](uint32_t rows_max) {
    return Slice::load(backend_, wide.get(),
                       {.last_layer = 3, .kv_tokens = 512, .rows_max = rows_max}).value();
  };
  std::vector<TokenId> twice = wide.tokens(kRows);
  const auto all = run(*load(512), {{kAlice, 0, kRows, kRows}}, twice).value().logits;
  twice.insert(twice.end(), twice.begin(), twice.begin() + kRows);
  const SamplingParams sampling{.temperature = 1, .seed = 3};
  std::map<bool, int> open;
  for (const uint32_t rows_max : {1u, 7u, 512u}) {
    const auto output = run(*load(rows_max),
                            {{kAlice, 0, kRows, 40, 0, 64, &sampling}, {kBob, 0, kRows, 3}},
                            twice).value();
    EXPECT_EQ(output.logits, std::vector<float>(all.end() - 3 * kVocab, all.end()));
    ASSERT_EQ(output.others.size(), 40u);
    for (uint32_t i = 0; i < 40; ++i) {
      const std::span<const TokenLogit> best(output.best.data() + 64 * i, 64);
      const auto logits = std::span(all).subspan((30 + i) * kVocab, kVocab);
      const SliceOutput::Others& others = output.others[i];
      EXPECT_EQ(others.total, model::total_weight(logits, best[0].logit,
                                                  model::weight_scale(sampling.temperature)));
      const bool drawn = model::draw_best(best, others.total, sampling, 31 + i).value().has_value();
      EXPECT_EQ(others.logits.empty(), drawn) << i;
      EXPECT_TRUE(drawn || std::ranges::equal(others.logits, logits)) << i;
      ++open[!drawn];
    }
  }
  EXPECT_GT(open[true], 9);
  EXPECT_GT(open[false], 9);
}

TEST_F(SliceTest, ASplitModelPassesHiddenStatesAndGivesTheSameBytes) {
  const auto tokens = tiny_.tokens(9);
  auto front = load({.first_layer = 0, .last_layer = 2, .kv_tokens = 64});
  auto back = load({.first_layer = 2, .last_layer = 3, .kv_tokens = 64});
  EXPECT_TRUE(front->first() && !front->last() && !back->first() && back->last());
  const auto passed = run(*front, {{kAlice, 0, 9, 1}}, tokens).value();
  EXPECT_EQ(passed.hidden.size(), 9u * 32);
  EXPECT_TRUE(passed.logits.empty());
  const auto output = back->forward({{{kAlice, 0, 9, 1}}, {}, passed.hidden}).value();
  EXPECT_TRUE(output.hidden.empty());
  EXPECT_EQ(output.logits, alone(tokens));
}

TEST_F(SliceTest, WhoWaitsForTheResultsIsToldDuringTheLastProduct) {
  const auto tokens = tiny_.tokens(9);
  auto front = load({.first_layer = 0, .last_layer = 2, .kv_tokens = 64, .rows_max = 4});
  auto back = load({.first_layer = 2, .last_layer = 3, .kv_tokens = 64, .rows_max = 4});
  uint32_t told = 0, at = 0;
  const NearlyDone tell = [&] {
    ++told;
    at = backend_.matmul_calls;
  };
  const auto passed = front->forward({{{kAlice, 0, 9}}, tokens, {}, tell}).value();
  EXPECT_EQ(told, 1u);
  EXPECT_EQ(at, backend_.matmul_calls);
  ASSERT_TRUE(back->forward({{{kAlice, 0, 9, 9}}, {}, passed.hidden, tell}).ok());
  EXPECT_EQ(told, 2u);
  EXPECT_EQ(at, backend_.matmul_calls);
  ASSERT_TRUE(back->forward({{{kAlice, 0, 9}}, {}, passed.hidden, tell}).ok());
  EXPECT_EQ(told, 2u) << "no result is large";
}

// The head is a product with these rows, so they must be what the logits are made of.
TEST_F(SliceTest, EmbeddingsAreTheRowsThatTheHeadReadsHoweverTheyAreCut) {
  const auto tokens = tiny_.tokens(40);
  const auto output = whole()->forward({{{kAlice, 0, 40, 40, 40}}, tokens, {}}).value();
  ASSERT_EQ(output.embeddings.size(), 40u * 32);
  const model::GgufFile& file = tiny_.get().file();
  std::vector<float> table(61 * 32);
  for (const model::GgufTensor& tensor : file.tensors()) {
    if (tensor.name != "token_embd.weight") continue;
    ASSERT_EQ(file.data(tensor).size(), table.size() * sizeof(float));
    std::memcpy(table.data(), file.data(tensor).data(), file.data(tensor).size());
  }
  for (size_t row = 0; row < 40; ++row) {
    for (size_t token = 0; token < 61; ++token) {
      double logit = 0;
      for (size_t d = 0; d < 32; ++d) {
        logit += double{output.embeddings[row * 32 + d]} * table[token * 32 + d];
      }
      ASSERT_NEAR(output.logits[row * 61 + token], logit, 1e-4);
    }
  }

  auto narrow = whole(256, 7);
  EXPECT_EQ(narrow->forward({{{kAlice, 0, 40, 1, 40}}, tokens, {}}).value().embeddings,
            output.embeddings);
  auto front = load({.first_layer = 0, .last_layer = 2, .kv_tokens = 64});
  auto back = load({.first_layer = 2, .last_layer = 3, .kv_tokens = 64});
  std::vector<float> pieces;
  for (const auto& [first, count] : {std::pair(0u, 15u), std::pair(15u, 25u)}) {
    const auto passed = run(*front, {{kBob, first, count, 0}}, part(tokens, first, count)).value();
    const auto last = back->forward({{{kBob, first, count, 0, count}}, {}, passed.hidden}).value();
    EXPECT_TRUE(last.logits.empty());
    pieces.insert(pieces.end(), last.embeddings.begin(), last.embeddings.end());
  }
  EXPECT_EQ(pieces, output.embeddings);
}

TEST_F(SliceTest, AnEarlierPositionRollsASessionBack) {
  auto slice = whole();
  const auto tokens = tiny_.tokens(60);
  auto detour = tokens;
  for (size_t i = 20; i < detour.size(); ++i) detour[i] = 60 - detour[i];
  ASSERT_TRUE(run(*slice, {{kAlice, 0, 60, 1}}, detour).ok());
  EXPECT_EQ(run(*slice, {{kAlice, 20, 40, 1}}, part(tokens, 20, 40)).value().logits, alone(tokens));
  // What lay beyond the rolled-back end is gone.
  ASSERT_TRUE(run(*slice, {{kAlice, 10, 1, 0}}, {5}).ok());
  EXPECT_FALSE(run(*slice, {{kAlice, 12, 1, 0}}, {5}).ok());
  // Position 0 starts anew.
  EXPECT_EQ(run(*slice, {{kAlice, 0, 60, 1}}, tokens).value().logits, alone(tokens));
}

TEST_F(SliceTest, ARefusedBatchAdvancesNoSession) {
  auto slice = whole();
  const auto tokens = tiny_.tokens(6);
  ASSERT_TRUE(run(*slice, {{kAlice, 0, 4, 0}}, part(tokens, 0, 4)).ok());
  const uint32_t free_before = slice->kv_free_tokens();

  const auto gap = run(*slice, {{kAlice, 4, 1, 1}, {kBob, 3, 1, 1}}, {1, 2});
  ASSERT_FALSE(gap.ok());
  EXPECT_EQ(gap.error().code, ErrorCode::kInvalid);
  const auto unknown = run(*slice, {{kAlice, 4, 1, 1}, {kBob, 0, 1, 1}}, {1, 61});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kInvalid);

  EXPECT_EQ(slice->kv_free_tokens(), free_before);
  EXPECT_FALSE(run(*slice, {{kAlice, 5, 1, 1}}, {1}).ok()) << "Alice still has 4 positions";
  EXPECT_EQ(run(*slice, {{kAlice, 4, 2, 1}}, part(tokens, 4, 2)).value().logits, alone(tokens));
}

TEST_F(SliceTest, AFullCacheRefusesTheWholeBatchAndALaterOneFits) {
  auto slice = whole(64);
  EXPECT_EQ(slice->kv_free_tokens(), 64u);
  std::vector<TokenId> tokens(66, 3);
  // Alice alone would fit; with Bob the batch needs three pages of two.
  const auto full = run(*slice, {{kAlice, 0, 33, 1}, {kBob, 0, 33, 1}}, tokens);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(slice->kv_free_tokens(), 64u) << "nothing stays reserved";
  tokens.resize(33);
  EXPECT_TRUE(run(*slice, {{kAlice, 0, 33, 1}}, tokens).ok());
  EXPECT_FALSE(run(*slice, {{kBob, 0, 33, 1}}, tokens).ok());
  slice->release(kAlice);
  EXPECT_TRUE(run(*slice, {{kBob, 0, 33, 1}}, tokens).ok());
}

TEST_F(SliceTest, RoomReservedAheadCannotBeTakenByOthers) {
  auto slice = whole(64);
  ASSERT_TRUE(slice->reserve(kAlice, 33).ok());
  EXPECT_EQ(slice->kv_free_tokens(), 0u);
  EXPECT_EQ(slice->reserve(kBob, 1).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(run(*slice, {{kBob, 0, 1, 1}}, {1}).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(run(*slice, {{kAlice, 0, 33, 1}}, std::vector<TokenId>(33, 3)).ok());
  EXPECT_EQ(slice->reserve(kAlice, 161).error().code, ErrorCode::kInvalid);
}

TEST_F(SliceTest, ReleasedSessionsStartAtZeroAgain) {
  auto slice = whole();
  ASSERT_TRUE(run(*slice, {{kAlice, 0, 4, 0}}, {1, 2, 3, 4}).ok());
  slice->release(kAlice);
  slice->release(kBob);
  EXPECT_EQ(slice->kv_free_tokens(), 256u);
  EXPECT_FALSE(run(*slice, {{kAlice, 4, 1, 1}}, {1}).ok());
}

TEST_F(SliceTest, PositionsBeyondTheContextAreInvalidEvenIfTheCacheHasRoom) {
  auto slice = whole(1024);
  const auto result = run(*slice, {{kAlice, 0, 161, 1}}, tiny_.tokens(161));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(result.error().message, HasSubstr("context of 160"));
  EXPECT_TRUE(run(*slice, {{kAlice, 0, 160, 1}}, tiny_.tokens(160)).ok());
}

TEST_F(SliceTest, HiddenStatesWithNanAreInvalidAndAdvanceNothing) {
  auto back = load({.first_layer = 1, .last_layer = 3, .kv_tokens = 64});
  std::vector<float> hidden(3 * 32, 0.1f);
  hidden[40] = std::numeric_limits<float>::quiet_NaN();
  const auto result = back->forward({{{kAlice, 0, 3, 1}}, {}, hidden});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(back->kv_free_tokens(), 64u);
}

TEST_F(SliceTest, ADeviceThatFailsMidwayAdvancesNoSession) {
  auto slice = whole();
  const auto tokens = tiny_.tokens(50);
  ASSERT_TRUE(run(*slice, {{kAlice, 0, 30, 0}}, part(tokens, 0, 30)).ok());
  const uint32_t free_before = slice->kv_free_tokens();
  backend_.fail_finish = true;
  const auto failed = run(*slice, {{kAlice, 30, 20, 1}, {kBob, 0, 1, 1}}, [&] {
    auto rows = part(tokens, 30, 20);
    rows.push_back(1);
    return rows;
  }());
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(slice->kv_free_tokens(), free_before);

  backend_.fail_finish = false;
  EXPECT_FALSE(run(*slice, {{kAlice, 50, 1, 1}}, {1}).ok()) << "Alice has not advanced";
  EXPECT_EQ(run(*slice, {{kAlice, 30, 20, 1}}, part(tokens, 30, 20)).value().logits, alone(tokens));
}

TEST_F(SliceTest, AFailedRollBackKeepsOnlyWhatWasNotOverwritten) {
  auto slice = whole();
  const auto tokens = tiny_.tokens(30);
  ASSERT_TRUE(run(*slice, {{kAlice, 0, 30, 0}}, tokens).ok());
  backend_.fail_finish = true;
  ASSERT_FALSE(run(*slice, {{kAlice, 10, 1, 1}}, {1}).ok());
  backend_.fail_finish = false;
  EXPECT_FALSE(run(*slice, {{kAlice, 11, 1, 1}}, {1}).ok()) << "position 10 cannot be trusted";
  EXPECT_EQ(run(*slice, {{kAlice, 10, 20, 1}}, part(tokens, 10, 20)).value().logits, alone(tokens));
}

TEST_F(SliceTest, LoadingSaysWhatItCouldNotLoad) {
  backend_.fail_allocate = true;
  const auto refused =
      Slice::load(backend_, tiny_.get(), {.first_layer = 1, .last_layer = 3, .kv_tokens = 32});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(refused.error().message, HasSubstr("load layers 1-2"));
  const auto cancelled = Slice::load(backend_, tiny_.get(), {.last_layer = 3, .kv_tokens = 32},
                                     [](uint64_t, uint64_t) { return false; });
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace weft::kernels

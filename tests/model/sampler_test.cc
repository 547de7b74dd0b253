#include "model/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/random.h"
#include "model/token_trie.h"
#include "model/token_weight.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

TokenId token_of(std::span<const float> logits, const SamplingParams& params, uint64_t position,
             std::span<const TokenId> history = {}) {
  const auto token = sample(logits, params, history, position);
  EXPECT_TRUE(token.ok());
  return token.ok() ? *token : -1;
}

// How often each token comes in `draws` positions.
std::map<TokenId, int> histogram(std::span<const float> logits, const SamplingParams& params,
                                 int draws) {
  std::map<TokenId, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[token_of(logits, params, uint64_t(i))];
  return counts;
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndTheLowestIdOnATie) {
  const float logits[] = {1, 3, 2, 3};
  EXPECT_EQ(token_of(logits, {}, 0), 1);
  EXPECT_EQ(token_of(logits, {}, 77), 1);
}

TEST(Sampler, TheSameSeedAndPositionDrawTheSameTokenInAnyOrder) {
  std::vector<float> logits(1000);
  Random random(test::test_seed(1));
  for (float& logit : logits) logit = float(random.normal());
  const SamplingParams params{.temperature = 1, .seed = 42};
  std::vector<TokenId> forward;
  for (uint64_t i = 0; i < 50; ++i) forward.push_back(token_of(logits, params, i));
  for (uint64_t i = 50; i-- > 0;) EXPECT_EQ(token_of(logits, params, i), forward[i]);
  SamplingParams other = params;
  other.seed = 43;
  int different = 0;
  for (uint64_t i = 0; i < 50; ++i) different += token_of(logits, other, i) != forward[i];
  EXPECT_GT(different, 25);
}

TEST(Sampler, DrawsFollowTheSoftmaxOfLogitsOverTemperature) {
  // Probabilities 0.2, 0.3, 0.5 at temperature 2.
  const float logits[] = {2 * std::log(0.2f), 2 * std::log(0.3f), 2 * std::log(0.5f)};
  constexpr int kDraws = 20000;
  const auto counts = histogram(logits, {.temperature = 2, .seed = 7}, kDraws);
  EXPECT_NEAR(counts.at(0) / double(kDraws), 0.2, 0.015);
  EXPECT_NEAR(counts.at(1) / double(kDraws), 0.3, 0.015);
  EXPECT_NEAR(counts.at(2) / double(kDraws), 0.5, 0.015);
}

TEST(Sampler, TopKLeavesExactlyTheKBest) {
  const float logits[] = {0, 3, 1, 2, 0};
  const auto counts = histogram(logits, {.temperature = 5, .top_k = 2, .seed = 3}, 2000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
  EXPECT_EQ(histogram(logits, {.temperature = 5, .top_k = 1}, 100).size(), 1u);
}

TEST(Sampler, TopPLeavesTheFewestThatReachIt) {
  const float logits[] = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  const auto counts = histogram(logits, {.temperature = 1, .top_p = 0.75f, .seed = 3}, 2000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(0) && counts.contains(1));
  EXPECT_EQ(histogram(logits, {.temperature = 1, .top_p = 0}, 100).size(), 1u);
}

TEST(Sampler, ANucleusOfManyThousandTokensIsFoundExactly) {
  const std::vector<float> logits(10000, 1.0f);  // all alike: the nucleus is the lowest ids
  const auto counts = histogram(logits, {.temperature = 1, .top_p = 0.5f, .seed = 9}, 200);
  EXPECT_GT(counts.size(), 150u);
  EXPECT_LT(counts.rbegin()->first, 5001);
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheBest) {
  const float logits[] = {std::log(0.6f), std::log(0.3f), std::log(0.1f)};
  const auto counts = histogram(logits, {.temperature = 1, .min_p = 0.4f, .seed = 3}, 2000);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_FALSE(counts.contains(2));
}

TEST(Sampler, RepetitionPenaltyLooksAtTheWindowAndNoFurther) {
  const float logits[] = {2.0f, 1.9f, -1.0f};
  const SamplingParams params{.repetition_penalty = 1.5f};
  EXPECT_EQ(token_of(logits, params, 0), 0);
  const TokenId recent[] = {0, 0, 0};
  EXPECT_EQ(token_of(logits, params, 0, recent), 1);
  std::vector<TokenId> old(kPenaltyWindow + 1, 2);
  old[0] = 0;
  EXPECT_EQ(token_of(logits, params, 0, old), 0);
  const TokenId strange[] = {-5, 1 << 30};
  EXPECT_EQ(token_of(logits, params, 0, strange), 0);
  const float negative[] = {-1.0f, -1.1f};
  const TokenId first[] = {0};
  EXPECT_EQ(token_of(negative, params, 0, first), 1);
}

TEST(Sampler, LogitsThatAreNoNumbersAreCorrupt) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const float logits[] = {1, bad};
    const auto token = sample(logits, {}, {}, 0);
    ASSERT_FALSE(token.ok());
    EXPECT_EQ(token.error().code, ErrorCode::kCorrupt);
  }
  EXPECT_EQ(sample({}, {}, {}, 0).error().code, ErrorCode::kInvalid);
}

TEST(Sampler, ParametersOutOfRangeAreNamed) {
  const auto message = [](const SamplingParams& params) {
    const auto valid = validate(params);
    EXPECT_FALSE(valid.ok());
    return valid.ok() ? std::string() : valid.error().message;
  };
  EXPECT_THAT(message({.temperature = -1}), HasSubstr("temperature is -1"));
  EXPECT_THAT(message({.temperature = std::nanf("")}), HasSubstr("temperature is nan"));
  EXPECT_THAT(message({.top_p = 1.5f}), HasSubstr("top_p is 1.5"));
  EXPECT_THAT(message({.min_p = -0.5f}), HasSubstr("min_p"));
  EXPECT_THAT(message({.repetition_penalty = 0}), HasSubstr("repetition_penalty is 0"));
  EXPECT_TRUE(validate({}).ok());
}

TEST(Sampler, TheAnswersPenaltiesLookAtTheAnswerAlone) {
  const float logits[] = {2, 1.5f, 1, 0};
  const std::vector<TokenId> history = {0, 0, 1, 1, 0};  // of which the last two are the answer
  SamplingParams params{.presence_penalty = 0.75f};
  params.answer_begin = 3;
  EXPECT_EQ(token_of(logits, params, 5, history), 0);  // 1.25, 0.75, 1
  params.presence_penalty = 1.25f;
  EXPECT_EQ(token_of(logits, params, 5, history), 2);
  params = {.frequency_penalty = 0.4f};
  EXPECT_EQ(token_of(logits, params, 5, history), 2);  // three times 0.4, twice 0.4
  params.answer_begin = 4;
  EXPECT_EQ(token_of(logits, params, 5, history), 0);  // 1.6
  params.answer_begin = 9;
  EXPECT_EQ(token_of(logits, params, 5, history), 0);
  params.frequency_penalty = -1;
  params.answer_begin = 0;
  EXPECT_EQ(token_of(logits, params, 5, history), 0);
}

TEST(Sampler, ABiasShiftsALogitAndOneBeyondTheVocabularyDoesNothing) {
  const float logits[] = {1, 2, 3};
  SamplingParams params;
  params.logit_bias = {{0, 2.5f}, {2, -100}, {7, 1000}, {-1, 1000}};
  EXPECT_EQ(token_of(logits, params, 0), 0);
}

TEST(Sampler, OnlyWhatIsAllowedIsDrawn) {
  const float logits[] = {5, 4, 1, 0.5f};
  TokenSet allowed(4);
  allowed.add(2);
  allowed.add(3);
  EXPECT_EQ(draw(logits, {}, {}, 0, &allowed)->token, 2);
  int third = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const TokenId token = draw(logits, {.temperature = 1, .seed = 3}, {}, i, &allowed)->token;
    ASSERT_GE(token, 2);
    third += token == 3;
  }
  EXPECT_NEAR(third / 2000.0, 1 / (1 + std::exp(0.5)), 0.04);
  EXPECT_THAT(draw(logits, {}, {}, 0, std::make_unique<TokenSet>(9).get()).error().message,
              HasSubstr("none of the model's tokens"));
}

// What a backend leaves of a row: the best, the lower id where two are equal.
std::vector<TokenLogit> best_of(std::span<const float> logits, size_t count) {
  std::vector<TokenLogit> all;
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({TokenId(i), logits[i]});
  std::stable_sort(all.begin(), all.end(), [](const TokenLogit& a, const TokenLogit& b) {
    return a.logit > b.logit;
  });
  all.resize(count);
  return all;
}

TEST(Sampler, TheBestLogitsAreEnoughForTheTokenThatAllWouldGive) {
  Random random(test::test_seed(4));
  for (uint64_t position = 0; position < 400; ++position) {
    std::vector<float> logits(200);  // many are equal
    for (float& logit : logits) logit = float(std::round(4 * random.normal())) / 4;
    for (const float temperature : {0.0f, 0.01f, 0.8f, 5.0f}) {
      for (const uint32_t top_k : {1u, 2u, 40u, 64u}) {
        const SamplingParams params{.temperature = temperature, .top_k = top_k,
                                    .top_p = position % 2 == 0 ? 1 : 0.7f,
                                    .min_p = position % 3 == 0 ? 0 : 0.05f, .seed = 9};
        const BestWanted wanted = best_wanted(params, 200);
        ASSERT_EQ(wanted.count, temperature == 0 ? 1 : top_k);
        ASSERT_FALSE(wanted.total);
        EXPECT_EQ(draw_best(best_of(logits, wanted.count), 0, params, position).value(),
                  token_of(logits, params, position));
      }
    }
  }
}

// By the order of draws, which these keep to as it is written down.
TokenId by_the_book(std::span<const float> logits, const SamplingParams& params,
                    uint64_t position) {
  const std::vector<TokenLogit> order = best_of(logits, logits.size());
  const auto weight = [&](const TokenLogit& one) {
    return token_weight(order[0].logit - one.logit, weight_scale(params.temperature));
  };
  uint64_t total = 0, reached = 0;
  for (const TokenLogit& one : order) total += weight(one);
  std::vector<TokenLogit> kept;
  for (const TokenLogit& one : order) {
    const bool enough = !kept.empty() && double(reached) >= double(params.top_p) * double(total);
    if ((params.top_p < 1 && enough) ||
        weight(one) < double(params.min_p) * weight(order[0])) break;
    kept.push_back(one);
    reached += weight(one);
  }
  if (params.top_p >= 1 && kept.size() > kBestLogitsMax) {
    std::sort(kept.begin() + kBestLogitsMax, kept.end(),
              [](const TokenLogit& a, const TokenLogit& b) { return a.token < b.token; });
  }
  auto left = uint64_t(uniform_at(params.seed, position) * double(reached));
  for (const TokenLogit& one : kept) {
    if (left < weight(one)) return one.token;
    left -= weight(one);
  }
  return -1;
}

// Flat logits, where the best rarely decide, and steep ones, where they mostly do.
TEST(Sampler, TheBestLogitsAndATotalGiveTheTokenThatAllWouldOrNone) {
  Random random(test::test_seed(5));
  std::map<bool, int> decided;
  for (uint64_t position = 0; position < 300; ++position) {
    std::vector<float> logits(700);
    const double steep = 1 + double(position % 5);
    for (float& logit : logits) logit = float(std::round(8 * steep * random.normal())) / 8;
    for (const float top_p : {1.0f, 0.95f, 0.4f}) {
      for (const float min_p : {0.0f, 0.02f, 0.3f}) {
        const SamplingParams params{.temperature = position % 2 == 0 ? 1 : 0.7f, .top_p = top_p,
                                    .min_p = min_p, .seed = 9};
        const BestWanted wanted = best_wanted(params, 700);
        ASSERT_EQ(wanted.count, kBestLogitsMax);
        ASSERT_TRUE(wanted.total);
        const auto best = best_of(logits, wanted.count);
        const uint64_t total =
            total_weight(logits, best[0].logit, weight_scale(params.temperature));
        const auto drawn = draw_best(best, total, params, position).value();
        const TokenId expected = by_the_book(logits, params, position);
        EXPECT_EQ(token_of(logits, params, position), expected) << top_p << " " << min_p;
        EXPECT_EQ(drawn.value_or(expected), expected) << top_p << " " << min_p;
        ++decided[drawn.has_value()];
      }
    }
  }
  EXPECT_GT(decided[true], 1000);
  EXPECT_GT(decided[false], 200);
}

TEST(Sampler, WhatLooksAtMoreThanTheBestTakesAllLogits) {
  EXPECT_EQ(best_wanted({.temperature = 1}, 65).count, 64u);
  EXPECT_EQ(best_wanted({.temperature = 1}, 64).count, 0u);
  EXPECT_EQ(best_wanted({.temperature = 1, .top_k = 65}, 1000).count, 0u);
  EXPECT_EQ(best_wanted({.temperature = 1, .top_k = 40}, 41).count, 40u);
  EXPECT_EQ(best_wanted({.temperature = 1, .top_k = 40}, 40).count, 0u) << "none is dropped";
  EXPECT_EQ(best_wanted({.repetition_penalty = 1.1f}, 1000).count, 0u);
  EXPECT_EQ(best_wanted({.presence_penalty = 1}, 1000).count, 0u);
  EXPECT_EQ(best_wanted({.frequency_penalty = 1}, 1000).count, 0u);
  EXPECT_EQ(best_wanted({.logprobs = 1}, 1000).count, 0u);
  EXPECT_EQ(best_wanted({.logit_bias = {{3, 1}}}, 1000).count, 0u);
  EXPECT_EQ(best_wanted({.constrained = true}, 1000).count, 0u);
}

TEST(Sampler, BestLogitsThatAreNoNumbersAndWrongParametersAreRefusedAsWithAll) {
  const std::vector<float> logits = {1, NAN, 2};
  const TokenLogit best[] = {{1, NAN}};
  EXPECT_EQ(draw_best(best, 0, {}, 0).error().message, sample(logits, {}, {}, 0).error().message);
  const TokenLogit good[] = {{1, 3}};
  EXPECT_EQ(draw_best(good, 0, {.temperature = -1, .top_k = 1}, 0).error().code,
            ErrorCode::kInvalid);
  EXPECT_EQ(draw_best({}, 0, {}, 0).error().code, ErrorCode::kInvalid);
}

TEST(Sampler, LogprobsAreTheModelsOwn) {
  const float logits[] = {0, std::log(2.0f), std::log(5.0f)};
  SamplingParams params;
  params.logprobs = 3;
  params.logit_bias = {{0, 100}};
  const auto drawn = draw(logits, params, {}, 0);
  ASSERT_TRUE(drawn.ok());
  EXPECT_EQ(drawn->token, 0);
  ASSERT_EQ(drawn->logprobs.size(), 3u);
  EXPECT_EQ(drawn->logprobs[0].token, 0);
  EXPECT_NEAR(drawn->logprobs[0].logprob, std::log(1 / 8.0), 1e-6);
  EXPECT_EQ(drawn->logprobs[1].token, 2);
  EXPECT_NEAR(drawn->logprobs[1].logprob, std::log(5 / 8.0), 1e-6);
  EXPECT_EQ(drawn->logprobs[2].token, 1);
  params.logprobs = 21;
  EXPECT_EQ(draw(logits, params, {}, 0)->logprobs.size(), 4u);  // there are no more
  params.logprobs = 22;
  EXPECT_THAT(draw(logits, params, {}, 0).error().message, HasSubstr("top_logprobs is 21"));
}

}  // namespace
}  // namespace weft::model

#include "model/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

TokenId draw(std::span<const float> logits, const SamplingParams& params, uint64_t position,
             std::span<const TokenId> history = {}) {
  const auto token = sample(logits, params, history, position);
  EXPECT_TRUE(token.ok());
  return token.ok() ? *token : -1;
}

// How often each token comes in `draws` positions.
std::map<TokenId, int> histogram(std::span<const float> logits, const SamplingParams& params,
                                 int draws) {
  std::map<TokenId, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[draw(logits, params, uint64_t(i))];
  return counts;
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndTheLowestIdOnATie) {
  const float logits[] = {1, 3, 2, 3};
  EXPECT_EQ(draw(logits, {}, 0), 1);
  EXPECT_EQ(draw(logits, {}, 77), 1);
}

TEST(Sampler, TheSameSeedAndPositionDrawTheSameTokenInAnyOrder) {
  std::vector<float> logits(1000);
  Random random(test::test_seed(1));
  for (float& logit : logits) logit = float(random.normal());
  const SamplingParams params{.temperature = 1, .seed = 42};
  std::vector<TokenId> forward;
  for (uint64_t i = 0; i < 50; ++i) forward.push_back(draw(logits, params, i));
  for (uint64_t i = 50; i-- > 0;) EXPECT_EQ(draw(logits, params, i), forward[i]);
  SamplingParams other = params;
  other.seed = 43;
  int different = 0;
  for (uint64_t i = 0; i < 50; ++i) different += draw(logits, other, i) != forward[i];
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
  EXPECT_EQ(draw(logits, params, 0), 0);
  const TokenId recent[] = {0, 0, 0};
  EXPECT_EQ(draw(logits, params, 0, recent), 1);
  std::vector<TokenId> old(kPenaltyWindow + 1, 2);
  old[0] = 0;
  EXPECT_EQ(draw(logits, params, 0, old), 0);
  const TokenId strange[] = {-5, 1 << 30};
  EXPECT_EQ(draw(logits, params, 0, strange), 0);
  const float negative[] = {-1.0f, -1.1f};
  const TokenId first[] = {0};
  EXPECT_EQ(draw(negative, params, 0, first), 1);
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

}  // namespace
}  // namespace weft::model

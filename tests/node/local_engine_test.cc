#include "node/local_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "kernels/evaluate.h"
#include "model/synth.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

class LocalEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model::SynthOptions synth;
    synth.path = folder_ / "nano.gguf";
    synth.shape = "nano";
    synth.quant = "q8_0";
    ASSERT_TRUE(model::write_synthetic(synth).ok());
    options_.path = synth.path;
    options_.backend.threads = 2;
    options_.context = 256;
  }
  std::unique_ptr<LocalEngine> open() {
    auto engine = LocalEngine::open(options_);
    EXPECT_TRUE(engine.ok()) << engine.error().message;
    return engine.ok() ? *std::move(engine) : nullptr;
  }
  static AnswerRequest request(const std::string& prompt, uint32_t max_tokens) {
    AnswerRequest request;
    request.prompt = prompt;
    request.max_tokens = max_tokens;
    return request;
  }
  static Answer answer(LocalEngine& engine, const AnswerRequest& request) {
    auto answer = engine.answer(request, {});
    EXPECT_TRUE(answer.ok()) << answer.error().message;
    return answer.ok() ? *answer : Answer();
  }

  test::TemporaryFolder folder_;
  EngineOptions options_;
};

TEST_F(LocalEngineTest, GreedyTextIsWhatTheLogitsOfTheWholeTextSay) {
  const auto engine = open();
  ASSERT_TRUE(engine);
  const auto tokenizer = model::Tokenizer::from_gguf(engine->model().file());
  ASSERT_TRUE(tokenizer.ok());
  const std::string prompt = "the lamp in the hall";
  const Answer got = answer(*engine, request(prompt, 12));

  const auto backend = kernels::make_cpu_backend({1, false});
  ASSERT_TRUE(backend.ok());
  std::vector<TokenId> tokens = tokenizer->encode(prompt);
  model::StreamDecoder decoder(*tokenizer);
  std::string expected;
  for (uint32_t i = 0; i < got.completion_tokens; ++i) {
    const auto logits = kernels::evaluate_logits(**backend, engine->model(), tokens,
                                                 {0, {}, KvType::kF16});
    ASSERT_TRUE(logits.ok()) << logits.error().message;
    const auto last = logits->end() - engine->model().config().vocab_size;
    tokens.push_back(TokenId(std::max_element(last, logits->end()) - last));
    expected += decoder.push(tokens.back());
  }
  EXPECT_GT(got.completion_tokens, 0u);
  EXPECT_EQ(got.text, expected + decoder.finish());
}

TEST_F(LocalEngineTest, TheSameSeedGivesTheSameTextAndAnotherOneAnother) {
  const auto engine = open();
  ASSERT_TRUE(engine);
  AnswerRequest sampled = request("once upon", 40);
  sampled.sampling.temperature = 1;
  sampled.sampling.seed = 5;
  const Answer first = answer(*engine, sampled);
  EXPECT_EQ(answer(*engine, sampled).text, first.text);
  sampled.sampling.seed = 6;
  EXPECT_NE(answer(*engine, sampled).text, first.text);
}

TEST_F(LocalEngineTest, WhatTheCacheStillHasIsNotComputedAgainAndChangesNothing) {
  const auto warm = open();
  ASSERT_TRUE(warm);
  answer(*warm, request("a story of a lamp", 5));
  const Answer second = answer(*warm, request("a story of a lamp and a cat", 20));
  EXPECT_LT(second.computed_tokens, second.prompt_tokens);
  const auto cold = open();
  ASSERT_TRUE(cold);
  const Answer fresh = answer(*cold, request("a story of a lamp and a cat", 20));
  EXPECT_EQ(fresh.computed_tokens, fresh.prompt_tokens);
  EXPECT_EQ(second.text, fresh.text);
}

TEST_F(LocalEngineTest, TheTextThatIsStreamedIsTheTextOfTheAnswer) {
  const auto engine = open();
  ASSERT_TRUE(engine);
  std::string streamed;
  const auto got =
      engine->answer(request("hello", 30), [&](std::string_view piece) { streamed += piece; });
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(streamed, got->text);
}

TEST_F(LocalEngineTest, AStopTextEndsTheAnswerBeforeIt) {
  const auto engine = open();
  ASSERT_TRUE(engine);
  const Answer whole = answer(*engine, request("hello", 40));
  ASSERT_GT(whole.text.size(), 8u);
  AnswerRequest stopped = request("hello", 40);
  stopped.stop = {whole.text.substr(4, 3)};
  const Answer got = answer(*engine, stopped);
  EXPECT_EQ(got.finish_reason, "stop");
  EXPECT_EQ(got.text, whole.text.substr(0, whole.text.find(stopped.stop[0])));
}

TEST_F(LocalEngineTest, EndsAtTheContextsEndWithoutALimit) {
  options_.context = 32;
  const auto engine = open();
  ASSERT_TRUE(engine);
  const Answer got = answer(*engine, request("hello", 0));
  if (got.finish_reason == "stop") GTEST_SKIP() << "the model ended before the context did";
  EXPECT_EQ(got.finish_reason, "length");
  EXPECT_EQ(got.prompt_tokens + got.completion_tokens, 32u);
}

TEST_F(LocalEngineTest, NamesBothNumbersOfAPromptOverTheContext) {
  options_.context = 16;
  const auto engine = open();
  ASSERT_TRUE(engine);
  const auto tokenizer = model::Tokenizer::from_gguf(engine->model().file());
  ASSERT_TRUE(tokenizer.ok());
  const std::string prompt = "a text of far more than sixteen tokens, that is for sure";
  const auto got = engine->answer(request(prompt, 1), {});
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(got.error().message, HasSubstr(cat(tokenizer->encode(prompt).size(), " tokens")));
  EXPECT_THAT(got.error().message, HasSubstr("room for 16"));
}

TEST_F(LocalEngineTest, RefusesAContextBeyondTheModels) {
  options_.context = 1 << 20;
  const auto engine = LocalEngine::open(options_);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(engine.error().message, HasSubstr("8192"));
}

TEST_F(LocalEngineTest, RefusesBackendsThatAreNotThere) {
  options_.backend.name = "vulkan";
  options_.backend.vulkan_device = "no such device";
  EXPECT_FALSE(LocalEngine::open(options_).ok());
  options_.backend.name = "abacus";
  EXPECT_EQ(LocalEngine::open(options_).error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace weft::node

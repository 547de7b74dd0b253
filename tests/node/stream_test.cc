#include "node/stream.h"

#include <gtest/gtest.h>

#include "model/gguf.h"
#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

constexpr uint32_t kPromptTokens = 3;

class StreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = folder_ / "small.gguf";
    model::SmallModel().write(path);
    auto file = model::GgufFile::open(path);
    ASSERT_TRUE(file.ok()) << file.error().message;
    auto tokenizer = model::Tokenizer::from_gguf(*file);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    tokenizer_ = std::make_shared<const model::Tokenizer>(std::move(*tokenizer));
  }
  std::unique_ptr<MeshStream> stream(std::vector<std::string> stop = {}) {
    return std::make_unique<MeshStream>(tokenizer_, queue_, std::move(stop), AnswerShape(),
                                        kPromptTokens, [this] { ++cancelled_; });
  }
  void say(const std::string& text) {
    for (const TokenId token : tokenizer_->encode(text, {false, false})) {
      ASSERT_TRUE(queue_->items.try_push(StreamToken(token)));
    }
  }
  void end(Result<mesh::FinishReason> result) {
    mesh::Usage usage;
    usage.prompt_tokens = kPromptTokens;
    ASSERT_TRUE(queue_->items.try_push(StreamEnd{std::move(result), usage}));
  }
  // All deltas together; the event after them goes to `last`.
  std::string read_all(MeshStream& from, std::optional<StreamEvent>& last) {
    std::string text;
    while ((last = from.next(Duration(0)))) {
      const auto* delta = std::get_if<TextDelta>(&*last);
      if (!delta) break;
      text += delta->text;
    }
    return text;
  }

  test::TemporaryFolder folder_;
  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::shared_ptr<TokenQueue> queue_ = std::make_shared<TokenQueue>();
  int cancelled_ = 0;
};

TEST_F(StreamTest, TextComesAndThenTheFinishWithItsUsage) {
  auto answer = stream();
  say("hello you");
  end(mesh::FinishReason::kLength);
  std::optional<StreamEvent> last;
  EXPECT_EQ(read_all(*answer, last), "hello you");
  ASSERT_TRUE(last && std::holds_alternative<Finish>(*last));
  EXPECT_EQ(std::get<Finish>(*last).reason, "length");
  EXPECT_EQ(std::get<Finish>(*last).usage.prompt_tokens, kPromptTokens);
  EXPECT_FALSE(answer->next(Duration(0)));
  answer.reset();
  EXPECT_EQ(cancelled_, 0);
}

TEST_F(StreamTest, AStopTextEndsTheAnswerAndCancelsOnce) {
  auto answer = stream({"you"});
  say("hello you and me");
  std::optional<StreamEvent> last;
  EXPECT_EQ(read_all(*answer, last), "hello ");
  ASSERT_TRUE(last && std::holds_alternative<Finish>(*last));
  EXPECT_EQ(std::get<Finish>(*last).reason, "stop");
  EXPECT_EQ(std::get<Finish>(*last).usage.prompt_tokens, kPromptTokens);
  EXPECT_GT(std::get<Finish>(*last).usage.completion_tokens, 0u);
  answer.reset();
  EXPECT_EQ(cancelled_, 1);
}

TEST_F(StreamTest, WhatAStopTextHeldBackIsGivenOutAtTheEnd) {
  auto answer = stream({"younger"});
  say("hello you");
  end(mesh::FinishReason::kStop);
  std::optional<StreamEvent> last;
  EXPECT_EQ(read_all(*answer, last), "hello you");
  ASSERT_TRUE(last && std::holds_alternative<Finish>(*last));
  EXPECT_EQ(std::get<Finish>(*last).reason, "stop");
}

TEST_F(StreamTest, AnErrorComesAfterTheTextBeforeIt) {
  auto answer = stream();
  say("hello");
  end(Error(ErrorCode::kUnavailable, "a stage is gone"));
  std::optional<StreamEvent> last;
  EXPECT_EQ(read_all(*answer, last), "hello");
  ASSERT_TRUE(last && std::holds_alternative<Error>(*last));
  EXPECT_EQ(std::get<Error>(*last).code, ErrorCode::kUnavailable);
}

TEST_F(StreamTest, AReaderThatIsTooSlowGetsWhatIsQueuedAndThenAnError) {
  auto answer = stream();
  say("hello");
  queue_->items.close();  // as the mesh thread does when the queue is full
  std::optional<StreamEvent> last;
  EXPECT_EQ(read_all(*answer, last), "hello");
  ASSERT_TRUE(last && std::holds_alternative<Error>(*last));
  EXPECT_EQ(std::get<Error>(*last).code, ErrorCode::kExhausted);
}

TEST_F(StreamTest, AStreamThatIsDroppedBeforeItsEndIsCancelled) {
  auto answer = stream();
  EXPECT_FALSE(answer->next(milliseconds(1)));  // nothing yet is no end
  answer.reset();
  EXPECT_EQ(cancelled_, 1);
}

}  // namespace
}  // namespace weft::node

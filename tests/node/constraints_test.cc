#include "node/constraints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/tokenizer.h"
#include "tests/model/small_model.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

class ConstraintsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model::SmallModel().write(folder_ / "m.gguf");
    auto file = model::GgufFile::open(folder_ / "m.gguf");
    ASSERT_TRUE(file.ok());
    file_.emplace(*std::move(file));
    auto tokenizer = model::Tokenizer::from_gguf(*file_);
    ASSERT_TRUE(tokenizer.ok());
    tokenizer_.emplace(*std::move(tokenizer));
  }
  static SamplingParams with(const char* grammar, std::vector<TokenId> drawn = {}) {
    SamplingParams params;
    params.constrained = true;
    params.grammar = std::make_shared<const std::string>(grammar);
    params.drawn = std::move(drawn);
    return params;
  }
  static SamplingParams without() {
    SamplingParams params;
    params.constrained = true;
    return params;
  }
  // What comes out of logits that are all alike, until an end token.
  std::string answer(SessionId session, const SamplingParams& first, uint64_t position) {
    std::string text;
    const std::vector<float> logits(264, 1.0f);
    for (int i = 0; i < 50; ++i) {
      const auto drawn = constraints_.draw(*file_, session, {logits},
                                           i == 0 ? first : without(), {},
                                           position + uint64_t(i));
      if (!drawn.ok()) return drawn.error().message;
      if (drawn->token == 260 || drawn->token == 263) break;
      text += tokenizer_->piece(drawn->token);
    }
    return text;
  }

  test::TemporaryFolder folder_;
  std::optional<model::GgufFile> file_;
  std::optional<model::Tokenizer> tokenizer_;
  Constraints constraints_;
};

TEST_F(ConstraintsTest, AnswersFollowTheirOwnGrammars) {
  EXPECT_EQ(answer({1}, with("root ::= \"hello\""), 7), "hello");
  EXPECT_EQ(answer({2}, with("root ::= \"you\""), 9), "you");
  EXPECT_EQ(answer({3}, with("root ::= \"hello\""), 70), "hello");
}

TEST_F(ConstraintsTest, AnAnswerGoesOnWhereItsTokensEnd) {
  const TokenId he = *tokenizer_->find("he");
  EXPECT_EQ(answer({1}, with("root ::= \"hello\"", {he}), 7), "llo");
  EXPECT_THAT(answer({1}, with("root ::= \"hello\"", {he, he}), 8),
              HasSubstr("does not fit the grammar"));
}

TEST_F(ConstraintsTest, ALostPlaceIsAnErrorAndNeverAnswersFreely) {
  EXPECT_THAT(answer({1}, without(), 7), HasSubstr("was lost at position 7"));
  const std::vector<float> logits(264, 1.0f);
  ASSERT_TRUE(constraints_.draw(*file_, {1}, {logits}, with("root ::= \"aaa\""), {}, 7).ok());
  EXPECT_EQ(constraints_.draw(*file_, {1}, {logits}, without(), {}, 9).error().code,
            ErrorCode::kStale);
  ASSERT_TRUE(constraints_.draw(*file_, {1}, {logits}, without(), {}, 8).ok());
  constraints_.release({1});
  EXPECT_FALSE(constraints_.draw(*file_, {1}, {logits}, without(), {}, 9).ok());
}

TEST_F(ConstraintsTest, AWrongGrammarOfAPeerIsRefused) {
  EXPECT_THAT(answer({1}, with("root ::= ("), 7), HasSubstr("grammar line 1"));
  EXPECT_THAT(answer({1}, with("root ::= <none>"), 7), HasSubstr("no token <none>"));
}

TEST_F(ConstraintsTest, GrammarsBeyondTheLimitAreForgottenButTheirAnswersGoOn) {
  const std::vector<float> logits(264, 1.0f);
  ASSERT_TRUE(constraints_.draw(*file_, {1}, {logits}, with("root ::= \"abc\""), {}, 1).ok());
  for (uint64_t i = 0; i < 2 * Constraints::kGrammarsMax; ++i) {
    const std::string text = "root ::= \"" + std::to_string(i) + "\"";
    EXPECT_EQ(answer({100 + i}, with(text.c_str()), 1), std::to_string(i));
  }
  const auto next = constraints_.draw(*file_, {1}, {logits}, without(), {}, 2);
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(tokenizer_->piece(next->token), "b");
}

TEST_F(ConstraintsTest, WithoutAGrammarAllIsDrawnAsEver) {
  std::vector<float> logits(264, 1.0f);
  logits[5] = 2;
  EXPECT_EQ(constraints_.draw(*file_, {1}, {logits}, {}, {}, 1)->token, 5);
}

}  // namespace
}  // namespace weft::node

#include "model/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace weft::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string_view> words(std::string_view name, std::string_view text) {
  const auto pretokenizer = Pretokenizer::make(name);
  WEFT_ASSERT(pretokenizer.ok());
  return pretokenizer->split(text);
}

TEST(Pretokenizer, Llama3KeepsThreeDigitsAndContractionsTogether) {
  EXPECT_THAT(words("llama-bpe", "I'LL pay 12345 €!\n\nOk  then"),
              ElementsAre("I", "'LL", " pay", " ", "123", "45", " €!\n\n", "Ok", " ", " then"));
}

TEST(Pretokenizer, Qwen2PartsEveryDigit) {
  EXPECT_THAT(words("qwen2", "a 12"), ElementsAre("a", " ", "1", "2"));
}

TEST(Pretokenizer, Gpt2KeepsSpaceAndRunOfDigits) {
  EXPECT_THAT(words("gpt-2", "it's 2024,  so"), ElementsAre("it", "'s", " 2024", ",", " ", " so"));
}

TEST(Pretokenizer, TheDefaultPartsPunctuationAndDigitsByThrees) {
  EXPECT_THAT(words("default", "it's 20245."), ElementsAre("it", "'", "s", " ", "202", "45", "."));
}

TEST(Pretokenizer, FalconPartsMarksAndDigitsByThrees) {
  EXPECT_THAT(words("falcon", "a `b` = 1234"),
              ElementsAre("a", " ", "`", "b", "`", " ", "=", " ", "123", "4"));
}

TEST(Pretokenizer, Gpt4oKeepsAContractionWithItsWordAndPartsWhereCaseRises) {
  EXPECT_THAT(words("gpt-4o", "I'M sureThing's\n//\n1234"),
              ElementsAre("I'M", " sure", "Thing's", "\n", "//\n", "123", "4"));
  EXPECT_THAT(words("llama4", "naïveÉtude"), ElementsAre("naïve", "Étude"));
}

TEST(Pretokenizer, KimiKeepsRunsOfHanTogetherApartFromOtherLetters) {
  EXPECT_THAT(words("kimi-k2", "中文abc 12"), ElementsAre("中文", "abc", " ", "12"));
  EXPECT_THAT(words("gpt-4o", "中文abc"), ElementsAre("中文abc"));
}

TEST(Pretokenizer, DeepseekLlmKeepsOneSpaceAndPartsLineBreaks) {
  // Its third pattern has the range from ':' to '~', so that letters beyond ASCII stand alone.
  EXPECT_THAT(
      words("deepseek-llm", "Hello, wörld\n\n 42  中文!"),
      ElementsAre("Hello", ",", " w", "ö", "rld", "\n", "\n", " ", "42", "  ", "中文", "!"));
}

TEST(Pretokenizer, DeepseekCoderPartsEveryDigit) {
  EXPECT_THAT(words("deepseek-coder", "x += 10"), ElementsAre("x", " += ", "1", "0"));
}

TEST(Pretokenizer, DeepseekV3KeepsAMarkWithTheWordAfterItAndThreeDigits) {
  EXPECT_THAT(words("deepseek-v3", "a.b 12345 中文です"),
              ElementsAre("a", ".b", " ", "123", "45", " ", "中文です"));
}

TEST(Pretokenizer, BloomPartsAtPunctuationOnly) {
  EXPECT_THAT(words("bloom", "two words. x=1"), ElementsAre("two", " words", ".", " x=1"));
  EXPECT_THAT(words("viking", "x=12"), ElementsAre("x=", "1", "2"));
}

TEST(Pretokenizer, Qwen35KeepsMarksWithTheirLetters) {
  EXPECT_THAT(words("qwen35", "e\u0301t\u00e9"), ElementsAre("e\u0301t\u00e9"));
  EXPECT_THAT(words("qwen2", "e\u0301t\u00e9"), ElementsAre("e", "\u0301t\u00e9"));
}

TEST(Pretokenizer, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const PretokenizerFacts& facts : pretokenizer_table()) {
    EXPECT_TRUE(names.insert(facts.name).second) << facts.name;
  }
  EXPECT_GE(names.size(), 75u);
}

TEST(Pretokenizer, SmolLmCutsDigitsFirstAndTheRestAfterwards) {
  EXPECT_THAT(words("smollm", "in 42 ways"), ElementsAre("in", " ", "4", "2", " ways"));
}

TEST(Pretokenizer, TekkenPartsWhereCaseRises) {
  EXPECT_THAT(words("tekken", "helloWorld 12"), ElementsAre("hello", "World", " ", "1", "2"));
}

TEST(Pretokenizer, WordsTogetherAreTheText) {
  const std::string text = "  mixed\t\r\n \u00A0tail 🦙🏽‍♀️ ١٢٣ कि\n ";
  for (const PretokenizerFacts& facts : pretokenizer_table()) {
    std::string joined;
    for (const std::string_view word : words(facts.name, text)) {
      EXPECT_FALSE(word.empty());
      joined += word;
    }
    EXPECT_EQ(joined, text) << facts.name;
  }
  EXPECT_TRUE(words("qwen2", "").empty());
}

// A long run of one kind is the worst that a pattern that looks ahead or back can meet.
TEST(Pretokenizer, LongRunsTakeNoMoreThanTheirShareOfTime) {
  for (const PretokenizerFacts& facts : pretokenizer_table()) {
    for (const char* unit : {" ", "A", "a", "1", "\n", "\u4e2d", "!"}) {
      std::string text;
      while (text.size() < 100'000) text += unit;
      size_t bytes = 0;
      for (const std::string_view word : words(facts.name, text)) bytes += word.size();
      EXPECT_EQ(bytes, text.size()) << facts.name;
    }
  }
}

TEST(Pretokenizer, AnUnknownNameIsUnsupported) {
  const auto pretokenizer = Pretokenizer::make("what\n");
  ASSERT_FALSE(pretokenizer.ok());
  EXPECT_EQ(pretokenizer.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(pretokenizer.error().message, HasSubstr("'what?'"));
}

}  // namespace
}  // namespace weft::model

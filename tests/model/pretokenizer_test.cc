#include "model/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_THAT(words("default", "it's"), ElementsAre("it", "'s"));
}

TEST(Pretokenizer, SmolLmCutsDigitsFirstAndTheRestAfterwards) {
  EXPECT_THAT(words("smollm", "in 42 ways"), ElementsAre("in", " ", "4", "2", " ways"));
}

TEST(Pretokenizer, TekkenPartsWhereCaseRises) {
  EXPECT_THAT(words("tekken", "helloWorld 12"), ElementsAre("hello", "World", " ", "1", "2"));
}

TEST(Pretokenizer, WordsTogetherAreTheText) {
  const std::string text = "  mixed\t\r\n \u00A0tail 🦙🏽‍♀️ ١٢٣ कि\n ";
  for (const char* name : {"llama-bpe", "qwen2", "gpt-2", "smollm", "tekken"}) {
    std::string joined;
    for (const std::string_view word : words(name, text)) {
      EXPECT_FALSE(word.empty());
      joined += word;
    }
    EXPECT_EQ(joined, text) << name;
  }
  EXPECT_TRUE(words("qwen2", "").empty());
}

TEST(Pretokenizer, AnUnknownNameIsUnsupported) {
  const auto pretokenizer = Pretokenizer::make("what\n");
  ASSERT_FALSE(pretokenizer.ok());
  EXPECT_EQ(pretokenizer.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(pretokenizer.error().message, HasSubstr("'what?'"));
}

}  // namespace
}  // namespace weft::model

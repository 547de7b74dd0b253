#include "model/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Tokenizer open_golden(const std::string& golden, const std::string& name) {
  auto file = GgufFile::open(golden + "/tokenizers/" + name + ".gguf");
  WEFT_ASSERT(file.ok());
  auto tokenizer = Tokenizer::from_gguf(*file);
  if (!tokenizer.ok()) ADD_FAILURE() << tokenizer.error().message;
  return std::move(*tokenizer);
}

class GoldenTokenizer : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenTokenizer, EncodesEveryLineAsTheReferenceDoes) {
  WEFT_GOLDEN_OR_SKIP(golden);
  const Tokenizer tokenizer = open_golden(golden, GetParam());
  std::ifstream lines(golden + "/tokenizers/" + GetParam() + ".jsonl");
  std::string line;
  size_t count = 0;
  while (std::getline(lines, line)) {
    const auto golden_case = nlohmann::json::parse(line);
    const std::string text = golden_case["text"];
    const auto ids = golden_case["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(tokenizer.encode(text, {.add_bos = false}), ids) << text;
    ++count;
  }
  EXPECT_GE(count, 60u);
}

TEST_P(GoldenTokenizer, DecodesWhatItEncodedToTheSameText) {
  WEFT_GOLDEN_OR_SKIP(golden);
  const Tokenizer tokenizer = open_golden(golden, GetParam());
  std::ifstream lines(golden + "/tokenizers/" + GetParam() + ".jsonl");
  std::string line;
  while (std::getline(lines, line)) {
    const std::string text = nlohmann::json::parse(line)["text"];
    const std::vector<TokenId> tokens = tokenizer.encode(text);
    EXPECT_EQ(tokenizer.decode(tokens), text);

    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const TokenId token : tokenizer.encode(text, {.add_bos = false})) {
      const std::string part = stream.push(token);
      EXPECT_TRUE(is_utf8(part)) << text;
      streamed += part;
    }
    streamed += stream.finish();
    EXPECT_THAT(streamed, ::testing::AnyOf(text, " " + text));
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, GoldenTokenizer,
                         ::testing::Values("llama-bpe", "qwen2", "llama-spm", "gemma3"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace weft::model

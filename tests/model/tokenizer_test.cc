#include "model/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "tests/model/small_model.h"
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

TEST(GoldenTokenizers, NoneOfThemIsLeftOut) {
  WEFT_GOLDEN_OR_SKIP(golden);
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden + "/tokenizers")) {
    if (entry.path().extension() == ".jsonl") found.insert(entry.path().stem().string());
  }
  EXPECT_EQ(found, (std::set<std::string>{"gemma3", "llama-bpe", "llama-spm", "qwen2"}));
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, GoldenTokenizer,
                         ::testing::Values("llama-bpe", "qwen2", "llama-spm", "gemma3"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::erase(name, '-');
                           return name;
                         });

Result<Tokenizer> open_small(const SmallModel& small) {
  const test::TemporaryFolder folder;
  small.write(folder / "m.gguf");
  const auto file = GgufFile::open(folder / "m.gguf");
  WEFT_ASSERT(file.ok());
  return Tokenizer::from_gguf(*file);  // the tokenizer outlives the file
}

// "<unk>", "<s>", "</s>", the 256 bytes, then a few pieces.
SmallModel small_scored() {
  SmallModel small;
  small.texts["tokenizer.ggml.model"] = "llama";
  small.texts.erase("tokenizer.ggml.pre");
  small.tokens = {"<unk>", "<s>", "</s>"};
  small.kinds = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", unsigned(byte));
    small.tokens.push_back(text);
    small.kinds.push_back(6);
  }
  const std::string mark = "\xE2\x96\x81";
  small.tokens.insert(small.tokens.end(), {mark, "a", "b", "ab", mark + "a"});
  small.kinds.resize(small.tokens.size(), 1);
  small.scores.assign(small.tokens.size(), 0);
  small.scores[262] = -1;  // "ab" is preferred to " a"
  small.scores[263] = -2;
  small.merges.clear();
  small.numbers["tokenizer.ggml.bos_token_id"] = 1;
  small.numbers["tokenizer.ggml.eos_token_id"] = 2;
  return small;
}

TEST(BytePairTokenizer, MergesByRankAndPutsTheBosWhereTheFamilyWantsIt) {
  const auto tokenizer = open_small({});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_THAT(tokenizer->encode("hello"), ElementsAre(262, 259));
  EXPECT_THAT(tokenizer->encode("hellhe", {.add_bos = false}), ElementsAre(258, 256));
  EXPECT_THAT(tokenizer->encode("", {.add_bos = false}), ElementsAre());
  EXPECT_EQ(tokenizer->bos(), 262);
  EXPECT_EQ(tokenizer->eos(), 263);
  EXPECT_THAT(tokenizer->end_tokens(), ElementsAre(260, 263));
  EXPECT_EQ(tokenizer->vocab_size(), 264u);
  EXPECT_EQ(tokenizer->find("hell"), 258);
  EXPECT_FALSE(tokenizer->find("nothing like it").has_value());
}

TEST(BytePairTokenizer, TheEndOfAMessageIsNoEndWhereAnswersAreSeveralMessages) {
  SmallModel small;
  small.tokens[261] = "<|end|>";
  auto tokenizer = open_small(small);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_THAT(tokenizer->end_tokens(), ElementsAre(260, 261, 263));
  small.tokens.insert(small.tokens.end(), {"<|return|>", "<|call|>"});
  small.kinds.insert(small.kinds.end(), {3, 3});
  tokenizer = open_small(small);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_THAT(tokenizer->end_tokens(), ElementsAre(260, 263, 264, 265));
}

TEST(BytePairTokenizer, ControlTokensInTextStayTextUnlessAskedFor) {
  const auto tokenizer = open_small({});
  ASSERT_TRUE(tokenizer.ok());
  const std::string text = "<|eot_id|>hello<|user|>";
  const auto plain = tokenizer->encode(text, {.add_bos = false});
  EXPECT_THAT(plain, ::testing::Not(::testing::Contains(260)));
  EXPECT_EQ(plain.back(), 261);  // user-defined tokens are text of their own
  EXPECT_EQ(tokenizer->decode(plain), text);
  EXPECT_THAT(tokenizer->encode(text, {.add_bos = false, .parse_special = true}),
              ElementsAre(260, 259, 261));
  EXPECT_EQ(tokenizer->decode({260, 259, 261}), "hello<|user|>");
  EXPECT_EQ(tokenizer->decode({260, 259, 261}, true), text);
  EXPECT_TRUE(tokenizer->is_control(260));
  EXPECT_FALSE(tokenizer->is_control(261));
  EXPECT_FALSE(tokenizer->is_control(-1));
}

TEST(BytePairTokenizer, UnknownIdsAndMalformedTextDoNoHarm) {
  const auto tokenizer = open_small({});
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ(tokenizer->piece(-1), "");
  EXPECT_EQ(tokenizer->piece(264), "");
  EXPECT_EQ(tokenizer->piece(INT32_MAX), "");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xFF\xC3(")), "a\uFFFD\uFFFD(");
  const std::string zeros("\0\0", 2);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(zeros)), zeros);
}

TEST(BytePairTokenizer, TextWithoutAnyBreakIsEncodedInGoodTime) {
  const auto tokenizer = open_small({});
  ASSERT_TRUE(tokenizer.ok());
  // One word of a million letters, all of them mergeable: quadratic merging would take hours.
  std::string text;
  while (text.size() < 1'000'000) text += "hellhe";
  EXPECT_EQ(tokenizer->encode(text, {.add_bos = false}).size(), text.size() / 3);
  const std::string spaces(1'000'000, ' ');
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(spaces)), spaces);
}

TEST(ScoredTokenizer, MergesByScoreAndFallsBackToBytes) {
  const auto tokenizer = open_small(small_scored());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_THAT(tokenizer->encode("ab"), ElementsAre(1, 259, 262));
  EXPECT_THAT(tokenizer->encode("a"), ElementsAre(1, 263));
  EXPECT_THAT(tokenizer->encode("aé", {.add_bos = false}), ElementsAre(263, 3 + 0xC3, 3 + 0xA9));
  EXPECT_THAT(tokenizer->encode(""), ElementsAre(1));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(" ab é")), " ab é");
  // Written-out control and byte tokens are text.
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("</s><0x41>")), "</s><0x41>");
  EXPECT_THAT(tokenizer->encode("</s>", {.parse_special = true}), ElementsAre(1, 2));
}

TEST(ScoredTokenizer, ATokenWithASpaceInsideIsFoundAcrossWords) {
  SmallModel small = small_scored();
  small.tokens.push_back("a\xE2\x96\x81");  // "a " at the end of a word
  small.tokens.push_back(
      "a\xE2\x96\x81"
      "b");
  small.kinds.resize(small.tokens.size(), 1);
  small.scores.resize(small.tokens.size(), 1);
  const auto tokenizer = open_small(small);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_THAT(tokenizer->encode("a b", {.add_bos = false}), ElementsAre(259, 265));
}

TEST(ScoredTokenizer, WordsThatComeAgainAreEncodedAsTheFirstTime) {
  const auto tokenizer = open_small(small_scored());
  ASSERT_TRUE(tokenizer.ok());
  const auto once = tokenizer->encode("ab aab é", {.add_bos = false});
  std::string text;
  for (int i = 0; i < 50; ++i) text += i == 0 ? "ab aab é" : " ab aab é";
  const auto all = tokenizer->encode(text, {.add_bos = false});
  EXPECT_EQ(tokenizer->decode(all), text);
  EXPECT_TRUE(std::equal(once.begin(), once.end(), all.begin()));
  EXPECT_EQ(all.size(), once.size() * 50);
}

TEST(StreamDecoder, HoldsBackTheBytesOfAnUnfinishedCharacter) {
  const auto tokenizer = open_small({});
  ASSERT_TRUE(tokenizer.ok());
  StreamDecoder stream(*tokenizer);
  const auto bytes = tokenizer->encode("🦙a", {.add_bos = false});
  ASSERT_EQ(bytes.size(), 5u);
  EXPECT_EQ(stream.push(bytes[0]), "");
  EXPECT_EQ(stream.push(bytes[1]), "");
  EXPECT_EQ(stream.push(bytes[2]), "");
  EXPECT_EQ(stream.push(bytes[3]), "🦙");
  EXPECT_EQ(stream.push(bytes[4]), "a");
  EXPECT_EQ(stream.push(263), "");  // a control token
  EXPECT_EQ(stream.finish(), "");
}

TEST(StreamDecoder, MalformedBytesBecomeReplacementsAtOnce) {
  const auto tokenizer = open_small({});
  ASSERT_TRUE(tokenizer.ok());
  const auto byte = [](int value) {
    const char c = char(value);
    return to_byte_alphabet({&c, 1});
  };
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push(*tokenizer->find(byte(0xFF))), "\uFFFD");
  EXPECT_EQ(stream.push(*tokenizer->find(byte(0xE2))), "");
  EXPECT_EQ(stream.push(*tokenizer->find("a")), "\uFFFDa");
  EXPECT_EQ(stream.push(*tokenizer->find(byte(0xED))), "");
  EXPECT_EQ(stream.push(*tokenizer->find(byte(0xA0))), "\uFFFD\uFFFD");  // half a surrogate
  EXPECT_EQ(stream.push(*tokenizer->find(byte(0xF0))), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

// The message of the refusal of a vocabulary that `change` broke.
template <typename Change>
std::string refusal(SmallModel small, Change change, ErrorCode code = ErrorCode::kCorrupt) {
  change(small);
  const auto tokenizer = open_small(small);
  if (tokenizer.ok()) return "it was accepted";
  EXPECT_EQ(error_code_name(tokenizer.error().code), error_code_name(code))
      << tokenizer.error().message;
  return tokenizer.error().message;
}

TEST(HostileTokenizer, WithScoresOfTheWrongTypeOrNumberIsRefused) {
  SmallModel small = small_scored();
  small.scores.clear();
  const test::TemporaryFolder folder;
  GgufWriter writer;
  writer.text("tokenizer.ggml.model", "llama");
  writer.texts("tokenizer.ggml.tokens", small.tokens);
  writer.integers("tokenizer.ggml.scores", std::vector<int32_t>(small.tokens.size()));
  ASSERT_TRUE(writer.open(folder / "m").ok() && writer.finish().ok());
  const auto file = GgufFile::open(folder / "m");
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(Tokenizer::from_gguf(*file).error().message,
              HasSubstr("tokenizer.ggml.scores is an array of i32, it must be an array of f32"));
  EXPECT_THAT(refusal(small_scored(), [](SmallModel& m) { m.scores.pop_back(); }),
              HasSubstr("scores has 263 elements, but the vocabulary has 264"));
  EXPECT_THAT(refusal(small_scored(), [](SmallModel& m) { m.scores[5] = std::nanf(""); }),
              HasSubstr("scores of token 5 is NaN"));
  EXPECT_THAT(refusal(small_scored(), [](SmallModel& m) { m.scores.clear(); }),
              HasSubstr("scores is missing"));
}

TEST(HostileTokenizer, WithIdsOrListsThatDoNotFitIsRefused) {
  EXPECT_THAT(refusal({}, [](SmallModel& m) { m.numbers["tokenizer.ggml.bos_token_id"] = 264; }),
              HasSubstr("bos_token_id is 264, but the vocabulary has 264 tokens"));
  EXPECT_THAT(refusal({}, [](SmallModel& m) { m.kinds.pop_back(); }),
              HasSubstr("token_type has 263 elements"));
  EXPECT_THAT(refusal({}, [](SmallModel& m) { m.merges.push_back("nospace"); }),
              HasSubstr("merges element 4 is not two texts"));
  EXPECT_THAT(refusal({}, [](SmallModel& m) { m.merges.push_back(""); }),
              HasSubstr("merges element 4 is not two texts"));
  EXPECT_THAT(refusal(
                  {}, [](SmallModel& m) { m.tokens.clear(); }, ErrorCode::kNotFound),
              HasSubstr("tokenizer.ggml.tokens is missing"));
  EXPECT_EQ(refusal({}, [](SmallModel& m) { m.merges.push_back("un known"); }), "it was accepted");
}

TEST(HostileTokenizer, OfAnotherKindIsNamedWithWhatIsSupported) {
  EXPECT_THAT(refusal(
                  {}, [](SmallModel& m) { m.texts["tokenizer.ggml.model"] = "bert"; },
                  ErrorCode::kUnsupported),
              HasSubstr("'bert' is not supported (supported: gpt2, llama)"));
  EXPECT_THAT(refusal(
                  {}, [](SmallModel& m) { m.texts["tokenizer.ggml.pre"] = "new-one"; },
                  ErrorCode::kUnsupported),
              HasSubstr("pre-tokenizer 'new-one' is not supported (supported: default, gpt-2"));
}

}  // namespace
}  // namespace weft::model

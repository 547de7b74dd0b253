// constraint_bench MODEL.gguf: what a JSON schema costs a token, with the vocabulary of a model. An
// answer is checked token by token as the last stage does it: the allowed tokens, then the step.
// The first answer meets each state for the first time, the second finds what the first has kept.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/clock.h"
#include "model/constraint.h"
#include "model/json_schema.h"

namespace weft::model {
namespace {

constexpr const char* kSchema = R"({"type": "object", "properties": {
  "name": {"type": "string"}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
  "address": {"type": "object", "properties": {"street": {"type": "string"},
    "city": {"type": "string", "maxLength": 40}, "zip": {"type": "string"}},
    "required": ["street", "city", "zip"]},
  "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
  "notes": {"type": "array", "items": {"type": "string"}}},
  "required": ["name", "age", "address", "tags", "notes"]})";
constexpr const char* kAnswer = R"({
  "name": "Ada Lovelace",
  "age": 36,
  "address": {"street": "12 St James's Square", "city": "London", "zip": "SW1Y 4JH"},
  "tags": ["red", "blue"],
  "notes": ["She wrote the first program for a machine that was never built.",
   "Her notes are three times as long as the text she translated.", "Löwe, \"quoted\"."]
})";

Result<> measure(const char* path) {
  WEFT_TRY(const GgufFile file, GgufFile::open(path));
  WEFT_TRY(const Tokenizer tokenizer, Tokenizer::from_gguf(file));
  const SystemClock clock;
  Time begin = clock.now();
  const auto trie = std::make_shared<const TokenTrie>(tokenizer);
  std::printf("%s: tree of %u tokens in %.0f ms", path, tokenizer.vocab_size(),
              1e3 * to_seconds(clock.now() - begin));
  begin = clock.now();
  SchemaGrammar schema;
  WEFT_TRY(const std::string object, schema.add(nlohmann::ordered_json::parse(kSchema)));
  const std::string text = schema.text("\" \"? " + object);  // SentencePiece begins with a space
  WEFT_TRY(Grammar grammar, Grammar::parse(text));
  WEFT_TRY(const auto constraint, Constraint::make(std::move(grammar), trie));
  std::printf(", grammar in %.2f ms\n", 1e3 * to_seconds(clock.now() - begin));
  for (const char* which : {"first", "second"}) {
    Constraint::Cursor cursor;
    std::vector<double> token_us;
    for (const TokenId token : tokenizer.encode(kAnswer, {.add_bos = false})) {
      begin = clock.now();
      WEFT_CHECK(constraint->allowed(cursor));
      WEFT_CHECK(constraint->advance(cursor, token));
      token_us.push_back(1e6 * to_seconds(clock.now() - begin));
    }
    double sum_us = 0;
    for (const double us : token_us) sum_us += us;
    std::sort(token_us.begin(), token_us.end());
    std::printf("  %s answer, %zu tokens: mean %.1f us, median %.1f us, most %.0f us\n", which,
                token_us.size(), sum_us / double(token_us.size()), token_us[token_us.size() / 2],
                token_us.back());
  }
  return {};
}

}  // namespace
}  // namespace weft::model

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: constraint_bench MODEL.gguf\n");
    return 2;
  }
  const auto done = weft::model::measure(arguments[1]);
  if (!done.ok()) std::fprintf(stderr, "constraint_bench: %s\n", done.error().message.c_str());
  return done.ok() ? 0 : 1;
}

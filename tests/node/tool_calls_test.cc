#include "node/tool_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/model/constrained.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

// "f(x=1) g({})", or "none".
std::string read(CallForm form, std::string_view text) {
  const auto calls = parse_calls(form, text);
  if (!calls) return "none";
  std::string all;
  for (const ToolCall& call : *calls) all += cat(all.empty() ? "" : " ", call.name, call.arguments);
  return all;
}

TEST(ToolCalls, TheFormIsKnownByTheTemplate) {
  EXPECT_EQ(call_form("... [TOOL_CALLS] ... tools"), CallForm::kMistral);
  EXPECT_EQ(call_form("tools <tool_call>"), CallForm::kHermes);
  EXPECT_EQ(call_form("{% if tools %}{{ tools }}"), CallForm::kLlama3);
  EXPECT_EQ(call_form("{{ messages }}"), CallForm::kHermes);
}

TEST(ToolCalls, EachFormIsRead) {
  EXPECT_EQ(read(CallForm::kHermes, "\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n"),
            "f{\"x\":1}");
  EXPECT_EQ(read(CallForm::kLlama3,
                 "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"b\": 1, \"a\": 2}}"),
            "f{\"b\":1,\"a\":2}");
  EXPECT_EQ(read(CallForm::kLlama3, "{\"name\":\"f\",\"parameters\":{}}; {\"name\":\"g\"}"),
            "f{} g{}");
  EXPECT_EQ(read(CallForm::kMistral,
                 " [{\"name\": \"f\", \"arguments\": {\"x\": \"]}\"}}, "
                 "{\"name\": \"g\", \"arguments\": {}}]"),
            "f{\"x\":\"]}\"} g{}");
  EXPECT_EQ(read(CallForm::kMistral, "f[ARGS]{\"x\": 1}[TOOL_CALLS]g[CALL_ID]abc[ARGS]{}"),
            "f{\"x\": 1} g{}");
}

TEST(ToolCalls, WhatIsNoCallIsNone) {
  for (const char* text : {"", "hello", "{\"x\": 1}", "{\"name\": 5}", "{\"name\": \"f\"",
                           "{\"name\": \"f\", \"arguments\": 5}", "[]", "{\"name\": \"\"}", "]"}) {
    EXPECT_EQ(read(CallForm::kHermes, text), "none") << text;
    EXPECT_EQ(read(CallForm::kLlama3, text), "none") << text;
    EXPECT_EQ(read(CallForm::kMistral, text), "none") << text;
  }
  std::string many;
  for (uint32_t i = 0; i <= kCallsMax; ++i) many += "{\"name\":\"f\"}";
  EXPECT_EQ(read(CallForm::kHermes, many), "none");
  EXPECT_EQ(read(CallForm::kHermes, std::string(100'000, '[')), "none");
}

const char* const kTools = R"([
  {"type": "function", "function": {"name": "f", "parameters": {"type": "object",
   "properties": {"x": {"type": "integer"}}, "required": ["x"]}}},
  {"type": "function", "function": {"name": "g"}}])";

TEST(ToolCalls, AGrammarOfCallsTakesCallsAlone) {
  const model::Tokenizer tokenizer = model::small_tokenizer();
  const auto grammar = [&](CallForm form, const char* only, bool several, Thoughts thoughts) {
    const auto text = call_grammar(form, tokenizer, {Json::parse(kTools), only, several}, thoughts);
    EXPECT_TRUE(text.ok()) << text.error().message;
    return model::Constrained(*text);
  };
  auto hermes = grammar(CallForm::kHermes, "", true, Thoughts::kNone);
  const std::string f = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 5}}\n</tool_call>";
  EXPECT_TRUE(hermes.takes(f));
  EXPECT_TRUE(hermes.takes(f + "\n" + f));
  EXPECT_TRUE(
      hermes.takes("<tool_call>\n{\"name\": \"g\", \"arguments\": {\"any\": []}}\n</tool_call>"));
  EXPECT_FALSE(hermes.takes("hello"));
  EXPECT_FALSE(hermes.takes("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(grammar(CallForm::kHermes, "", false, Thoughts::kNone).takes(f + "\n" + f));
  auto named = grammar(CallForm::kLlama3, "f", true, Thoughts::kNone);
  EXPECT_TRUE(named.takes("{\"name\": \"f\", \"parameters\": {\"x\": 5}}"));
  EXPECT_FALSE(named.takes("{\"name\": \"g\", \"parameters\": {}}"));
  auto mistral = grammar(CallForm::kMistral, "", true, Thoughts::kNone);
  EXPECT_TRUE(mistral.takes("[TOOL_CALLS] [{\"name\": \"g\", \"arguments\": {}}]"));
}

TEST(ToolCalls, ThoughtsMayComeBeforeOrGoOn) {
  const model::Tokenizer tokenizer = model::small_tokenizer();
  model::Constrained begun(with_thoughts("root ::= \"yes\"\n", tokenizer, Thoughts::kHaveBegun));
  EXPECT_TRUE(begun.takes("so <b> </thin </think>\n\nyes"));
  EXPECT_TRUE(begun.takes("<</think>yes"));
  EXPECT_FALSE(begun.takes("yes"));
  EXPECT_FALSE(begun.takes("a</think>no</think>yes"));
  model::Constrained maybe(with_thoughts("root ::= \"yes\"\n", tokenizer, Thoughts::kMayCome));
  EXPECT_TRUE(maybe.takes("yes"));
  EXPECT_TRUE(maybe.takes("<think>hm</think>\nyes"));
  EXPECT_FALSE(maybe.takes("hm</think>yes"));
}

TEST(ToolCalls, AWrongSchemaNamesItsTool) {
  const auto text = call_grammar(
      CallForm::kHermes, model::small_tokenizer(),
      {Json::parse(R"([{"type":"function","function":{"name":"f","parameters":{"not":{}}}}])"), "",
       true},
      Thoughts::kNone);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().message, HasSubstr("tool 'f'"));
}

}  // namespace
}  // namespace weft::node

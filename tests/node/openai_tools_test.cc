#include "node/openai_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "node/openai_request.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kTools =
    R"("tools":[{"type":"function","function":{"name":"get_time","parameters":{"type":"object",
       "properties":{"z":{"type":"string"},"a":{"type":"string"}},"required":["z","a"]}}}])";

Result<OpenAiRequest> with(std::string_view more) {
  return parse_chat_request(cat(R"({"messages":[{"role":"user","content":"hi"}],)", more, "}"), 1);
}
std::string refusal(std::string_view more) {
  const auto request = with(more);
  return request.ok() ? "it was accepted" : request.error().message;
}

TEST(OpenAiTools, ToolsAndTheirChoiceAreRead) {
  const auto request = with(cat(kTools, R"(,"parallel_tool_calls":false)"));
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_EQ(request->completion.tools[0]["function"]["name"], "get_time");
  EXPECT_EQ(request->completion.tools[0]["function"]["parameters"]["properties"].begin().key(),
            "z");
  EXPECT_EQ(request->completion.tool_choice, ToolChoice::kAuto);
  EXPECT_FALSE(request->completion.several_calls);
  EXPECT_EQ(with(cat(kTools, R"(,"tool_choice":"none")"))->completion.tool_choice,
            ToolChoice::kNone);
  EXPECT_EQ(with(cat(kTools, R"(,"tool_choice":"required")"))->completion.tool_choice,
            ToolChoice::kRequired);
  EXPECT_EQ(
      with(cat(kTools, R"(,"tool_choice":{"type":"function","function":{"name":"get_time"}})"))
          ->completion.only_tool,
      "get_time");
}

TEST(OpenAiTools, WrongToolsAndChoicesAreRefused) {
  EXPECT_THAT(refusal(R"("tools":{})"), HasSubstr("'tools' must be a list"));
  EXPECT_THAT(refusal(R"("tools":[{"type":"function"}])"), HasSubstr("'tools[0]'"));
  EXPECT_THAT(refusal(R"("tools":[{"type":"function","function":{"name":"a b"}}])"),
              HasSubstr("'tools[0]'"));
  EXPECT_THAT(refusal(R"("tool_choice":"required")"), HasSubstr("needs 'tools'"));
  EXPECT_THAT(refusal(cat(kTools, R"(,"tool_choice":"maybe")")),
              HasSubstr("'tool_choice' must be"));
  EXPECT_THAT(refusal(cat(kTools, R"(,"tool_choice":{"type":"function","function":{"name":"x"}})")),
              HasSubstr("names 'x', which 'tools' lacks"));
  EXPECT_THAT(refusal(cat(kTools, R"(,"response_format":{"type":"json_object"})")),
              HasSubstr("one too many"));
}

TEST(OpenAiTools, FormatsBecomeGrammars) {
  EXPECT_TRUE(with(R"("response_format":{"type":"text"})")->completion.grammar.empty());
  EXPECT_THAT(with(R"("response_format":{"type":"json_object"})")->completion.grammar,
              HasSubstr("root ::= object"));
  const auto schema = with(
      R"("response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":
         {"type":"object","properties":{"z":{"type":"null"},"a":{"type":"null"}}}}})");
  ASSERT_TRUE(schema.ok()) << schema.error().message;
  EXPECT_TRUE(schema->completion.grammar_is_ours);
  EXPECT_EQ(with(R"("grammar":"root ::= \"x\"")")->completion.grammar, "root ::= \"x\"");
  EXPECT_THAT(refusal(R"("response_format":{"type":"xml"})"), HasSubstr("needs a 'type'"));
  EXPECT_THAT(refusal(R"("response_format":{"type":"json_schema"})"), HasSubstr("with a 'schema'"));
  EXPECT_THAT(refusal(R"("json_schema":{},"grammar":"root ::= \"x\"")"),
              HasSubstr("exclude each other"));
}

TEST(OpenAiTools, CallsAndTheirResultsStayInTheMessages) {
  const auto request = parse_chat_request(
      R"({"messages":[{"role":"user","content":"hi"},
          {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
           "function":{"name":"f","arguments":"{\"x\":1}"}}]},
          {"role":"tool","tool_call_id":"c1","content":"42"}]})",
      1);
  ASSERT_TRUE(request.ok()) << request.error().message;
  const auto& messages = request->completion.messages;
  EXPECT_EQ(messages[1]["content"], "");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"], "{\"x\":1}");
  EXPECT_EQ(messages[2]["tool_call_id"], "c1");
  for (const char* calls : {"{}", "[1]", R"([{"type":"function","function":{"name":"f",
       "arguments":{}}}])"}) {
    EXPECT_FALSE(parse_chat_request(
                     cat(R"({"messages":[{"role":"assistant","tool_calls":)", calls, "}]}"), 1)
                     .ok())
        << calls;
  }
}

}  // namespace
}  // namespace weft::node

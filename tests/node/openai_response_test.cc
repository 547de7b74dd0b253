#include "node/openai_response.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace weft::node {
namespace {

using Json = nlohmann::json;

Finish finish() {
  Finish done{"length", {}};
  done.usage.prompt_tokens = 3;
  done.usage.completion_tokens = 4;
  return done;
}

TEST(OpenAiResponse, ShapesAChatAnswer) {
  const Json json = Json::parse(
      answer_json({true, "chatcmpl-1", 99, "m"}, {{"hi", "", {}, {}, finish()}}, false));
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["created"], 99);
  EXPECT_EQ(json["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(json["choices"][0]["message"]["content"], "hi");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(json["usage"]["prompt_tokens"], 3);
  EXPECT_EQ(json["usage"]["completion_tokens"], 4);
  EXPECT_EQ(json["usage"]["total_tokens"], 7);
}

TEST(OpenAiResponse, ShapesATextAnswerAndItsChunks) {
  const AnswerHead head{false, "cmpl-1", 99, "m"};
  const Json json = Json::parse(answer_json(head, {{"hi", "", {}, {}, finish()}}, false));
  EXPECT_EQ(json["object"], "text_completion");
  EXPECT_EQ(json["choices"][0]["text"], "hi");
  const Json delta = Json::parse(ChunkMaker{head, false}.delta(0, {"x"}));
  EXPECT_EQ(delta["object"], "text_completion");
  EXPECT_EQ(delta["choices"][0]["text"], "x");
  EXPECT_FALSE(delta.contains("usage"));
}

TEST(OpenAiResponse, ShapesTheChunksOfAChat) {
  const ChunkMaker maker{{true, "chatcmpl-1", 99, "m"}, true};
  const Json role = Json::parse(maker.role(0));
  EXPECT_EQ(role["object"], "chat.completion.chunk");
  EXPECT_EQ(role["choices"][0]["delta"]["role"], "assistant");
  EXPECT_TRUE(role["choices"][0]["finish_reason"].is_null());
  EXPECT_TRUE(role["usage"].is_null());
  EXPECT_EQ(Json::parse(maker.delta(0, {"a\"b"}))["choices"][0]["delta"]["content"], "a\"b");
  const Json last = Json::parse(maker.finish(0, "stop"));
  EXPECT_EQ(last["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(last["choices"][0]["delta"], Json::object());
  const Json usage = Json::parse(maker.usage(finish().usage));
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["total_tokens"], 7);
}

TEST(OpenAiResponse, ShapesThoughtsCallsAndSeveralChoices) {
  const ToolCallDelta call{0, "abc123xyz", "f", "{\"x\":1}"};
  const Json json = Json::parse(answer_json(
      {true, "chatcmpl-1", 99, "m"},
      {{"", "hm", {call}, {}, {"tool_calls", finish().usage}}, {"hi", "", {}, {}, finish()}},
      false));
  const Json& first = json["choices"][0];
  EXPECT_TRUE(first["message"]["content"].is_null());
  EXPECT_EQ(first["message"]["reasoning_content"], "hm");
  EXPECT_EQ(first["message"]["tool_calls"][0]["id"], "abc123xyz");
  EXPECT_EQ(first["message"]["tool_calls"][0]["function"]["arguments"], "{\"x\":1}");
  EXPECT_EQ(first["finish_reason"], "tool_calls");
  EXPECT_EQ(json["choices"][1]["index"], 1);
  EXPECT_FALSE(json["choices"][1]["message"].contains("tool_calls"));
  EXPECT_EQ(json["usage"]["prompt_tokens"], 3);
  EXPECT_EQ(json["usage"]["completion_tokens"], 8);

  const ChunkMaker maker{{true, "chatcmpl-1", 99, "m"}, false};
  const auto chunks = maker.call(1, call);
  ASSERT_EQ(chunks.size(), 2u);
  const Json named = Json::parse(chunks[0])["choices"][0];
  EXPECT_EQ(named["index"], 1);
  EXPECT_EQ(named["delta"]["tool_calls"][0]["index"], 0);
  EXPECT_EQ(named["delta"]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(named["delta"]["tool_calls"][0]["function"]["arguments"], "");
  const Json with = Json::parse(chunks[1])["choices"][0]["delta"]["tool_calls"][0];
  EXPECT_EQ(with["function"]["arguments"], "{\"x\":1}");
  EXPECT_FALSE(with.contains("id"));
  EXPECT_EQ(Json::parse(maker.reasoning(0, "so"))["choices"][0]["delta"]["reasoning_content"],
            "so");
}

TEST(OpenAiResponse, ShapesProbabilitiesOfBothKinds) {
  const DrawnReport drawn{{"\xC3", -0.5f}, {{"a", -1}, {"\xC3", -0.5f}}};
  const ChunkMaker chat{{true, "chatcmpl-1", 99, "m"}, false};
  const Json one =
      Json::parse(chat.delta(0, {"", {drawn}}))["choices"][0]["logprobs"]["content"][0];
  EXPECT_EQ(one["token"], "\uFFFD");
  EXPECT_EQ(one["bytes"], Json::parse("[195]"));
  EXPECT_EQ(one["logprob"], -0.5);
  EXPECT_EQ(one["top_logprobs"][0]["token"], "a");
  const Json text = Json::parse(
      answer_json({false, "cmpl-1", 99, "m"}, {{"x", "", {}, {drawn}, finish()}}, true));
  const Json& old = text["choices"][0]["logprobs"];
  EXPECT_EQ(old["token_logprobs"], Json::parse("[-0.5]"));
  EXPECT_EQ(old["top_logprobs"][0]["a"], -1);
}

TEST(OpenAiResponse, GivesEveryErrorCodeAStatus) {
  const std::pair<ErrorCode, int> cases[] = {
      {ErrorCode::kInvalid, 400},     {ErrorCode::kDenied, 403},    {ErrorCode::kNotFound, 404},
      {ErrorCode::kConflict, 409},    {ErrorCode::kExhausted, 429}, {ErrorCode::kCorrupt, 500},
      {ErrorCode::kIo, 500},          {ErrorCode::kInternal, 500},  {ErrorCode::kUnsupported, 501},
      {ErrorCode::kUnavailable, 503}, {ErrorCode::kStale, 503},     {ErrorCode::kCancelled, 503},
      {ErrorCode::kTimeout, 504}};
  for (const auto& [code, status] : cases) {
    const ApiError error = api_error(Error(code, "why"));
    EXPECT_EQ(error.status, status);
    const Json json = Json::parse(error_json(error))["error"];
    EXPECT_EQ(json["message"], "why");
    EXPECT_EQ(json["code"], error_code_name(code));
    EXPECT_TRUE(json["param"].is_null());
    EXPECT_FALSE(json["type"].get<std::string>().empty());
  }
}

TEST(OpenAiResponse, ListsModels) {
  const Json json = Json::parse(models_json({{"a", true, 10, 20}}, 99));
  EXPECT_EQ(json["data"][0]["id"], "a");
  EXPECT_EQ(json["data"][0]["object"], "model");
  EXPECT_EQ(json["data"][0]["created"], 99);
  EXPECT_EQ(json["data"][0]["owned_by"], "weft");
}

}  // namespace
}  // namespace weft::node

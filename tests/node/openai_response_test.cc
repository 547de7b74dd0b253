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
  const Json json = Json::parse(answer_json({true, "chatcmpl-1", 99, "m"}, "hi", finish()));
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
  const Json json = Json::parse(answer_json(head, "hi", finish()));
  EXPECT_EQ(json["object"], "text_completion");
  EXPECT_EQ(json["choices"][0]["text"], "hi");
  const Json delta = Json::parse(ChunkMaker{head, false}.delta("x"));
  EXPECT_EQ(delta["object"], "text_completion");
  EXPECT_EQ(delta["choices"][0]["text"], "x");
  EXPECT_FALSE(delta.contains("usage"));
}

TEST(OpenAiResponse, ShapesTheChunksOfAChat) {
  const ChunkMaker maker{{true, "chatcmpl-1", 99, "m"}, true};
  const Json role = Json::parse(maker.role());
  EXPECT_EQ(role["object"], "chat.completion.chunk");
  EXPECT_EQ(role["choices"][0]["delta"]["role"], "assistant");
  EXPECT_TRUE(role["choices"][0]["finish_reason"].is_null());
  EXPECT_TRUE(role["usage"].is_null());
  EXPECT_EQ(Json::parse(maker.delta("a\"b"))["choices"][0]["delta"]["content"], "a\"b");
  const Json last = Json::parse(maker.finish("stop"));
  EXPECT_EQ(last["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(last["choices"][0]["delta"], Json::object());
  const Json usage = Json::parse(maker.usage(finish().usage));
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["total_tokens"], 7);
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

#include "node/openai_embedding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include <nlohmann/json.hpp>

#include "base/text.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

OpenAiEmbedding read(const std::string& body) {
  auto parsed = parse_embedding_request(body);
  EXPECT_TRUE(parsed.ok()) << body << ": " << parsed.error().message;
  return parsed.ok() ? *std::move(parsed) : OpenAiEmbedding{};
}
std::string refusal(const std::string& body) {
  const auto parsed = parse_embedding_request(body);
  EXPECT_TRUE(parsed.ok() || parsed.error().code == ErrorCode::kInvalid);
  return parsed.ok() ? "it was accepted" : parsed.error().message;
}

TEST(OpenAiEmbedding, EachKindOfInputIsRead) {
  using Inputs = std::vector<EmbeddingInput>;
  const std::vector<TokenId> one = {1, 2}, two = {3};
  EXPECT_EQ(read(R"({"input":"a"})").request.inputs, (Inputs{std::string("a")}));
  EXPECT_EQ(read(R"({"input":["a","b"]})").request.inputs,
            (Inputs{std::string("a"), std::string("b")}));
  EXPECT_EQ(read(R"({"input":[1,2]})").request.inputs, (Inputs{one}));
  EXPECT_EQ(read(R"({"input":[[1,2],[3]]})").request.inputs, (Inputs{one, two}));
}

TEST(OpenAiEmbedding, FieldsHaveTheirDefaults) {
  const OpenAiEmbedding bare = read(R"({"input":"a","model":null,"user":"x"})");
  EXPECT_EQ(bare.request.model, "");
  EXPECT_EQ(bare.request.dimensions, 0u);
  EXPECT_FALSE(bare.request.pooling);
  EXPECT_FALSE(bare.base64);
  const OpenAiEmbedding full = read(
      R"({"input":"a","model":"m","dimensions":8,"encoding_format":"base64","pooling":"last"})");
  EXPECT_EQ(full.request.model, "m");
  EXPECT_EQ(full.request.dimensions, 8u);
  EXPECT_EQ(full.request.pooling, transport::Pooling::kLast);
  EXPECT_TRUE(full.base64);
  EXPECT_EQ(read(R"({"input":"a","pooling":"mean"})").request.pooling, transport::Pooling::kMean);
}

TEST(OpenAiEmbedding, WhatIsWrongIsNamed) {
  for (const char* input : {"", R"("input":null)", R"("input":"")", R"("input":[])",
                            R"("input":{})", R"("input":7)", R"("input":true)"}) {
    EXPECT_THAT(refusal(cat("{", input, "}")), HasSubstr("'input'")) << input;
  }
  EXPECT_THAT(refusal(R"({"input":["a",""]})"), HasSubstr("input[1]"));
  EXPECT_THAT(refusal(R"({"input":["a",1]})"), HasSubstr("input[1]"));
  EXPECT_THAT(refusal(R"({"input":[1,"a"]})"), HasSubstr("token ids"));
  EXPECT_THAT(refusal(R"({"input":[1,-1]})"), HasSubstr("token ids"));
  EXPECT_THAT(refusal(R"({"input":[1.5]})"), HasSubstr("token ids"));
  EXPECT_THAT(refusal(R"({"input":[4294967296]})"), HasSubstr("token ids"));
  EXPECT_THAT(refusal(R"({"input":[[1],[]]})"), HasSubstr("input[1]"));
  EXPECT_THAT(refusal(R"({"input":[[1],2]})"), HasSubstr("input[1]"));
  EXPECT_THAT(refusal(R"({"input":[null]})"), HasSubstr("input[0]"));
  EXPECT_THAT(refusal(R"({"input":"a","encoding_format":"hex"})"), HasSubstr("base64"));
  EXPECT_THAT(refusal(R"({"input":"a","pooling":"cls"})"), HasSubstr("\"last\""));
  EXPECT_THAT(refusal(R"({"input":"a","dimensions":0})"), HasSubstr("dimensions"));
  EXPECT_THAT(refusal("[]"), HasSubstr("object"));
  Json many = {{"input", std::vector<std::string>(kEmbeddingInputsMax, "a")}};
  EXPECT_EQ(read(many.dump()).request.inputs.size(), kEmbeddingInputsMax);
  many["input"].push_back("a");
  EXPECT_THAT(refusal(many.dump()), HasSubstr("2049"));
}

TEST(OpenAiEmbedding, FloatsReadBackAsTheSameAndFitTheirBound) {
  const std::vector<float> values = {0.1f, -1.17549435e-38f, 1, -0.0f, 3.4028235e38f, 1e-45f};
  const std::string text = embeddings_json("m", {{values, 4}, {{}, 3}}, false);
  const Json json = Json::parse(text);
  EXPECT_EQ(json["object"], "list");
  EXPECT_EQ(json["model"], "m");
  EXPECT_EQ(json["usage"], Json::parse(R"({"prompt_tokens":7,"total_tokens":7})"));
  EXPECT_EQ(json["data"][1]["index"], 1);
  EXPECT_TRUE(json["data"][1]["embedding"].empty());
  const Json& list = json["data"][0]["embedding"];
  EXPECT_EQ(json["data"][0]["object"], "embedding");
  ASSERT_EQ(list.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(list[i].get<float>(), values[i]);
  const size_t begin = text.find('['), end = text.find(']', text.find("\"embedding\":["));
  EXPECT_LE(end - begin, embedding_bytes(values.size(), false) + 60);
}

TEST(OpenAiEmbedding, Base64IsOfTheFloatsBytes) {
  const auto encoded = [](std::vector<float> values) {
    const std::string text = embeddings_json("m\"", {{std::move(values), 1}}, true);
    return Json::parse(text)["data"][0]["embedding"].get<std::string>();
  };
  EXPECT_EQ(encoded({}), "");
  EXPECT_EQ(encoded({1}), "AACAPw==");             // 00 00 80 3f
  EXPECT_EQ(encoded({1, -2}), "AACAPwAAAMA=");     // ... 00 00 00 c0
  EXPECT_EQ(encoded({1, -2, 0.5f}), "AACAPwAAAMAAAAA/");
  EXPECT_EQ(encoded({1, -2, 0.5f}).size(), embedding_bytes(3, true));
}

}  // namespace
}  // namespace weft::node

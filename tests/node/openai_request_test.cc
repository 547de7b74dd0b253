#include "node/openai_request.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace weft::node {
namespace {

constexpr std::string_view kMessages = R"("messages":[{"role":"user","content":"hi"}])";

Result<OpenAiRequest> with(std::string_view more) {
  return parse_chat_request(cat("{", kMessages, more.empty() ? "" : ",", more, "}"), 77);
}

TEST(OpenAiRequest, HasTheDefaultsOfTheApi) {
  const auto request = with("");
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(request->completion.chat);
  EXPECT_EQ(request->completion.sampling.temperature, 1);
  EXPECT_EQ(request->completion.sampling.top_p, 1);
  EXPECT_EQ(request->completion.sampling.seed, 77u);
  EXPECT_EQ(request->completion.max_tokens, 0u);
  EXPECT_FALSE(request->stream);
  EXPECT_FALSE(request->include_usage);
}

TEST(OpenAiRequest, ReadsEveryField) {
  const auto request = with(
      R"("model":"m","max_tokens":7,"temperature":0,"top_p":0.5,"top_k":40,"min_p":0.1,
         "repetition_penalty":1.1,"seed":12345678901234567890,"stop":["a","b"],"stream":true,
         "stream_options":{"include_usage":true},"n":1,"user":"ignored","tools":null)");
  ASSERT_TRUE(request.ok()) << request.error().message;
  const SamplingParams& sampling = request->completion.sampling;
  EXPECT_EQ(request->completion.model, "m");
  EXPECT_EQ(request->completion.max_tokens, 7u);
  EXPECT_EQ(sampling.temperature, 0);
  EXPECT_FLOAT_EQ(sampling.top_p, 0.5);
  EXPECT_EQ(sampling.top_k, 40u);
  EXPECT_FLOAT_EQ(sampling.min_p, 0.1f);
  EXPECT_FLOAT_EQ(sampling.repetition_penalty, 1.1f);
  EXPECT_EQ(sampling.seed, 12345678901234567890u);
  EXPECT_EQ(request->completion.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(request->stream);
  EXPECT_TRUE(request->include_usage);
}

TEST(OpenAiRequest, PrefersTheNewerNameOfTheTokenLimit) {
  EXPECT_EQ(with(R"("max_tokens":7,"max_completion_tokens":9)")->completion.max_tokens, 9u);
}

TEST(OpenAiRequest, TakesNullAsAbsentAndOneStopAsAString) {
  const auto request = with(R"("temperature":null,"seed":null,"max_tokens":null,"stop":"end")");
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->completion.sampling.temperature, 1);
  EXPECT_EQ(request->completion.stop, std::vector<std::string>{"end"});
  EXPECT_EQ(with(R"("seed":-1)")->completion.sampling.seed, ~uint64_t{0});
}

TEST(OpenAiRequest, JoinsTextPartsAndKeepsRolesInOrder) {
  const auto request = parse_chat_request(
      R"({"messages":[{"role":"developer","content":"be brief"},
          {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
          {"role":"assistant","content":"<|eot|>"},{"role":"user","content":""}]})",
      1);
  ASSERT_TRUE(request.ok()) << request.error().message;
  EXPECT_EQ(request->completion.messages.dump(),
            R"([{"role":"system","content":"be brief"},{"role":"user","content":"ab"},)"
            R"({"role":"assistant","content":"<|eot|>"},{"role":"user","content":""}])");
}

TEST(OpenAiRequest, RefusesWhatIsOutOfRangeAndNamesTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("temperature":2.1)", "temperature"},
      {R"("temperature":-1)", "temperature"},
      {R"("top_p":1.1)", "top_p"},
      {R"("top_p":true)", "top_p"},
      {R"("min_p":-0.1)", "min_p"},
      {R"("top_k":-1)", "top_k"},
      {R"("top_k":4294967296)", "top_k"},
      {R"("repetition_penalty":0)", "repetition_penalty"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_tokens":-5)", "max_tokens"},
      {R"("max_tokens":4294967297)", "max_tokens"},
      {R"("max_completion_tokens":"9")", "max_completion_tokens"},
      {R"("seed":1.5)", "seed"},
      {R"("seed":18446744073709551616)", "seed"},
      {R"("n":9)", "n"},
      {R"("presence_penalty":3)", "presence_penalty"},
      {R"("frequency_penalty":"1")", "frequency_penalty"},
      {R"("repeat_penalty":0)", "repeat_penalty"},
      {R"("logit_bias":[])", "logit_bias"},
      {R"("logit_bias":{"x":1})", "logit_bias"},
      {R"("logit_bias":{"1":101})", "logit_bias"},
      {R"("logprobs":3)", "logprobs"},
      {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
      {R"("top_logprobs":2)", "top_logprobs"},
      {R"("n":"1")", "n"},
      {R"("stop":[""])", "stop"},
      {R"("stop":[1])", "stop"},
      {R"("stop":["0","1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16"])",
       "stop"},
      {R"("stop":{})", "stop"},
      {R"("stream":1)", "stream"},
      {R"("stream_options":true)", "stream_options"},
      {R"("model":5)", "model"},
  };
  for (const auto& [more, name] : cases) {
    const auto request = with(more);
    ASSERT_FALSE(request.ok()) << more;
    EXPECT_EQ(request.error().code, ErrorCode::kInvalid);
    EXPECT_NE(request.error().message.find(cat("'", name, "'")), std::string::npos)
        << request.error().message;
  }
}

TEST(OpenAiRequest, ReadsWhatShapesTheDraw) {
  const auto request = with(
      R"("n":3,"presence_penalty":0.5,"frequency_penalty":-0.5,"repeat_penalty":1.2,
         "logit_bias":{"5":-100,"7":2.5},"logprobs":true,"top_logprobs":2)");
  ASSERT_TRUE(request.ok()) << request.error().message;
  const SamplingParams& sampling = request->completion.sampling;
  EXPECT_EQ(request->choices, 3u);
  EXPECT_FLOAT_EQ(sampling.presence_penalty, 0.5f);
  EXPECT_FLOAT_EQ(sampling.frequency_penalty, -0.5f);
  EXPECT_FLOAT_EQ(sampling.repetition_penalty, 1.2f);
  EXPECT_EQ(sampling.logit_bias, (std::vector<LogitBias>{{5, -100}, {7, 2.5f}}));
  EXPECT_EQ(sampling.logprobs, 3u);
  EXPECT_EQ(parse_completion_request(R"({"prompt":"x","logprobs":5})", 1)
                ->completion.sampling.logprobs,
            6u);
  EXPECT_EQ(parse_completion_request(R"({"prompt":"x"})", 1)->completion.sampling.logprobs, 0u);
}

TEST(OpenAiRequest, ReadsTokenizeAndDetokenize) {
  const auto tokenize = parse_tokenize_request(R"({"content":"x","add_special":true})");
  ASSERT_TRUE(tokenize.ok());
  EXPECT_EQ(tokenize->content, "x");
  EXPECT_TRUE(tokenize->add_special);
  EXPECT_FALSE(tokenize->parse_special);
  EXPECT_FALSE(parse_tokenize_request("{}").ok());
  EXPECT_EQ(parse_detokenize_request(R"({"tokens":[1,2]})")->tokens,
            (std::vector<TokenId>{1, 2}));
  for (const char* body : {"{}", R"({"tokens":[-1]})", R"({"tokens":["a"]})",
                           R"({"tokens":[4294967296]})", R"({"tokens":1})"}) {
    EXPECT_FALSE(parse_detokenize_request(body).ok()) << body;
  }
}

TEST(OpenAiRequest, RefusesMessagesOfAnotherForm) {
  for (const char* messages :
       {"null", "{}", "[]", "[1]", R"([{"role":"user"}])", R"([{"content":"x"}])",
        R"([{"role":"user","content":5}])", R"([{"role":1,"content":"x"}])",
        R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])",
        R"([{"role":"user","content":["x"]}])", R"([{"role":"admin","content":"x"}])"}) {
    EXPECT_FALSE(parse_chat_request(cat(R"({"messages":)", messages, "}"), 1).ok()) << messages;
  }
}

TEST(OpenAiRequest, ReadsAPromptAndRefusesSeveral) {
  EXPECT_EQ(parse_completion_request(R"({"prompt":"x"})", 1)->completion.prompt, "x");
  EXPECT_EQ(parse_completion_request(R"({"prompt":["x"]})", 1)->completion.prompt, "x");
  for (const char* body :
       {"{}", R"({"prompt":1})", R"({"prompt":["a","b"]})", R"({"prompt":[1]})"}) {
    EXPECT_FALSE(parse_completion_request(body, 1).ok()) << body;
  }
}

}  // namespace
}  // namespace weft::node

#include "node/mesh_answerer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/node/scripted_server.h"

namespace weft::node {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Json = nlohmann::ordered_json;

const std::string kTaken = ScriptedServer::json(200, "{}");
std::string plan(const std::string& name, bool active) {
  const Json view = {{"plan", {{"model_name", name}, {"active", active}, {"progress", 0.5}}},
                     {"problem", nullptr}};
  return ScriptedServer::json(200, view.dump());
}

Result<std::unique_ptr<MeshAnswerer>> open(ScriptedServer& server, const Clock& clock) {
  WEFT_TRY(HttpClient client, HttpClient::to(server.address()));
  return MeshAnswerer::open(std::move(client), "m", clock);
}

TEST(MeshAnswerer, WaitsForItsModelAndStreamsAChat) {
  const SystemClock clock;
  ScriptedServer server(
      {{kTaken},
       {plan("other", true)},
       {plan("m", false)},
       {plan("m", true)},
       {ScriptedServer::stream_head(),
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"4\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"2\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3}}\n\n",
        "data: [DONE]\n\n"}});
  auto mesh = open(server, clock);
  ASSERT_TRUE(mesh.ok()) << mesh.error().message;
  AnswerRequest request;
  request.chat = true;
  request.messages = Json::array({Json{{"role", "user"}, {"content", "40+2"}}});
  request.max_tokens = 5;
  std::string streamed;
  const auto answer = (*mesh)->answer(request, [&](std::string_view text) { streamed += text; });
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->text, "42");
  EXPECT_EQ(streamed, "42");
  EXPECT_EQ(answer->finish_reason, "stop");
  EXPECT_EQ(answer->prompt_tokens, 9u);
  EXPECT_EQ(answer->completion_tokens, 3u);
  ASSERT_THAT(server.requests(), SizeIs(5));
  EXPECT_THAT(server.requests()[0], HasSubstr("POST /api/model"));
  EXPECT_THAT(server.requests()[4], HasSubstr("POST /v1/chat/completions"));
  EXPECT_THAT(server.requests()[4], HasSubstr("\"max_tokens\":5"));
}

const std::string kRefused = ScriptedServer::json(
    200, "{\"plan\":{\"model_name\":\"other\",\"active\":true},\"problem\":null,\"refusal\":"
         "{\"model_name\":\"m\",\"reason\":\"the mesh serves other to 2 open stream(s)\"}}");

TEST(MeshAnswerer, AsksAgainWhileOtherStreamsAreOpen) {
  const SystemClock clock;
  ScriptedServer server({{kTaken}, {kRefused}, {kTaken}, {plan("m", true)}});
  const auto mesh = open(server, clock);
  ASSERT_TRUE(mesh.ok()) << mesh.error().message;
  ASSERT_THAT(server.requests(), SizeIs(4));
  EXPECT_THAT(server.requests()[2], HasSubstr("POST /api/model"));
}

// Ten seconds pass with each look.
class FastClock final : public Clock {
 public:
  Time now() const override { return now_ = now_ + seconds(10); }
  int64_t unix_seconds() const override { return 0; }

 private:
  mutable Time now_{};
};

TEST(MeshAnswerer, GivesTheMeshsWordsWhereItStaysRefused) {
  const FastClock clock;
  ScriptedServer server({{kTaken}, {kRefused}, {kTaken}, {kRefused}});
  const auto mesh = open(server, clock);
  ASSERT_FALSE(mesh.ok());
  EXPECT_EQ(mesh.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(mesh.error().message,
            "the mesh does not serve m: the mesh serves other to 2 open stream(s)");
}

TEST(MeshAnswerer, GivesTheMeshsWordsForAModelThatNobodyOffers) {
  const SystemClock clock;
  ScriptedServer server({{ScriptedServer::json(
      404, "{\"error\":{\"message\":\"no member of the mesh offers a model 'm'\"}}")}});
  const auto mesh = open(server, clock);
  ASSERT_FALSE(mesh.ok());
  EXPECT_EQ(mesh.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(mesh.error().message, "no member of the mesh offers a model 'm'");
}

TEST(MeshAnswerer, AsksAgainWhileTheNodeIsNotReady) {
  const SystemClock clock;
  ScriptedServer server(
      {{kTaken},
       {plan("m", true)},
       {ScriptedServer::json(503, "{\"error\":{\"message\":\"fetching\"}}")},
       {ScriptedServer::stream_head(),
        "data: {\"choices\":[{\"text\":\"hi\",\"finish_reason\":\"length\"}]}\n\n"}});
  auto mesh = open(server, clock);
  ASSERT_TRUE(mesh.ok()) << mesh.error().message;
  AnswerRequest request;
  request.prompt = "x";
  const auto answer = (*mesh)->answer(request, {});
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->text, "hi");
  EXPECT_EQ(answer->finish_reason, "length");
}

TEST(MeshAnswerer, SaysSoWhenAStreamEndsEarly) {
  Answer answer;
  ASSERT_TRUE(take_event("{\"choices\":[{\"text\":\"a\"}]}", answer, {}).ok());
  const auto failed = take_event(
      "{\"error\":{\"message\":\"a node was lost\",\"code\":\"unavailable\"}}", answer, {});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(failed.error().message, "a node was lost");
  EXPECT_EQ(answer.text, "a");
}

TEST(MeshAnswerer, TakesNoEventThatBreaksTheForm) {
  for (const char* data : {"", "x", "[]", "1"}) {
    Answer answer;
    EXPECT_FALSE(take_event(data, answer, {}).ok()) << data;
  }
  for (const char* data : {"{}", "{\"choices\":1}", "{\"choices\":[1]}", "{\"usage\":[]}",
                           "{\"choices\":[{\"text\":1,\"finish_reason\":2}],"
                           "\"usage\":{\"prompt_tokens\":\"x\"}}"}) {
    Answer answer;
    EXPECT_TRUE(take_event(data, answer, {}).ok()) << data;
    EXPECT_EQ(answer.text, "");
  }
}

TEST(CompletionBody, CarriesEveryParameter) {
  AnswerRequest request;
  request.prompt = "p";
  request.sampling = {0.5f, 40, 0.9f, 0.1f, 1.5f, 77};
  request.sampling.presence_penalty = 0.5f;
  request.sampling.grammar = std::make_shared<const std::string>("root ::= \"x\"");
  request.stop = {"END"};
  const Json body = completion_body("m", request);
  EXPECT_EQ(body["model"], "m");
  EXPECT_EQ(body["prompt"], "p");
  EXPECT_EQ(body["temperature"], 0.5f);
  EXPECT_EQ(body["top_k"], 40);
  EXPECT_EQ(body["top_p"], 0.9f);
  EXPECT_EQ(body["min_p"], 0.1f);
  EXPECT_EQ(body["repetition_penalty"], 1.5f);
  EXPECT_EQ(body["presence_penalty"], 0.5f);
  EXPECT_EQ(body["frequency_penalty"], 0);
  EXPECT_EQ(body["grammar"], "root ::= \"x\"");
  EXPECT_EQ(body["seed"], 77);
  EXPECT_EQ(body["stop"][0], "END");
  EXPECT_EQ(body["stream"], true);
  EXPECT_FALSE(body.contains("max_tokens"));  // to the context's end
}

}  // namespace
}  // namespace weft::node

#include "node/http_api.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "node/http_json.h"
#include "node/page.h"
#include "node/plan_preview.h"
#include "tests/support/fake_mesh.h"
#include "tests/support/fake_service.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

class HttpApiTest : public ::testing::Test {
 protected:
  HttpResponse ask(std::string method, std::string path, std::string body = "") {
    return api_.handle({std::move(method), std::move(path), std::move(body)}, {},
                       [this] { return give_up_; });
  }
  test::FakeService service_;
  HttpApi api_{service_};
  std::optional<Error> give_up_;
};

TEST_F(HttpApiTest, TellsItsHealthTruthfully) {
  EXPECT_EQ(ask("GET", "/health").status, 200);
  service_.healthy = false;
  const HttpResponse sick = ask("GET", "/health");
  EXPECT_EQ(sick.status, 503);
  EXPECT_EQ(Json::parse(sick.body)["reason"], "no plan: 3 GiB are missing");
}

TEST_F(HttpApiTest, PreviewsThePlanOfAnOfferedModelOrOfAShape) {
  service_.shown = test::fake_mesh();
  transport::ModelOffer offer;
  offer.name = "silent";
  offer.hidden_dim = 64;
  offer.vocab_size = 300;
  offer.context_length = 2048;
  offer.layers = {{1000, 500, 12}};
  service_.shown.nodes[0].profile.offers = {offer};
  const HttpResponse named = ask("POST", "/api/plan", R"({"model": "silent"})");
  EXPECT_EQ(named.status, 200) << named.body;
  const Json plan = Json::parse(named.body);
  EXPECT_EQ(plan["preview"], true);
  EXPECT_EQ(plan["epoch"], 0);
  EXPECT_EQ(plan["stages"].size(), 2u);
  EXPECT_EQ(ask("POST", "/api/plan", cat(R"({"shape": )", shape_json(offer).dump(), "}")).status,
            200);

  offer.name = "large";
  const HttpResponse large =
      ask("POST", "/api/plan", cat(R"({"shape": )", shape_json(offer).dump(), "}"));
  EXPECT_EQ(large.status, 503);
  EXPECT_NE(large.body.find("5.1 GiB"), std::string::npos);
  EXPECT_EQ(ask("POST", "/api/plan", R"({"model": "other"})").status, 404);
  for (const char* bad : {"", "{}", "[]", R"({"model": 1})", R"({"shape": {"name": "x"}})"}) {
    EXPECT_EQ(ask("POST", "/api/plan", bad).status, 400) << bad;
  }
  EXPECT_EQ(ask("GET", "/api/plan").status, 405);
}

TEST_F(HttpApiTest, ListsModelsAndFindsOne) {
  const Json list = Json::parse(ask("GET", "/v1/models").body);
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][0]["id"], "fake");
  EXPECT_EQ(list["data"][0]["context_length"], 2048);
  EXPECT_EQ(Json::parse(ask("GET", "/v1/models/silent").body)["active"], false);
  EXPECT_EQ(ask("GET", "/v1/models/other").status, 404);
}

TEST_F(HttpApiTest, ShowsTheMeshAndItsMetrics) {
  service_.shown = test::fake_mesh();
  service_.counted.requests = 9;
  EXPECT_EQ(Json::parse(ask("GET", "/api/mesh").body)["nodes"].size(), 3u);
  const HttpResponse metrics = ask("GET", "/metrics");
  EXPECT_EQ(metrics.content_type, kMetricsContentType);
  EXPECT_NE(metrics.body.find("weft_requests_total 9"), std::string::npos);
}

TEST_F(HttpApiTest, GivesSeveralChoicesEachWithASeedOfItsOwn) {
  const HttpResponse answer =
      ask("POST", "/v1/completions", R"({"model":"fake","prompt":"x","n":3,"seed":5})");
  EXPECT_EQ(answer.status, 200);
  const Json json = Json::parse(answer.body);
  ASSERT_EQ(json["choices"].size(), 3u);
  EXPECT_EQ(json["choices"][2]["text"], "Hello from the mesh, x.");
  EXPECT_EQ(json["usage"]["completion_tokens"], 21);
  EXPECT_EQ(service_.streams_started, 3);
  EXPECT_NE(service_.last_request().sampling.seed, 5u);
}

TEST_F(HttpApiTest, AnImpossibleGrammarOrSchemaIsRefusedWithItsPlace) {
  const auto refusal = [this](const std::string& more) {
    const HttpResponse answer =
        ask("POST", "/v1/completions", R"({"model":"fake","prompt":"x",)" + more + "}");
    EXPECT_EQ(answer.status, 400) << more;
    return Json::parse(answer.body)["error"]["message"].get<std::string>();
  };
  EXPECT_NE(refusal(R"("grammar":"root ::= \"a")").find("line 1, column"), std::string::npos);
  EXPECT_NE(refusal(R"("grammar":"root ::= \"a\" root")").find("rule 'root'"), std::string::npos);
  EXPECT_NE(refusal(R"("json_schema":{"properties":{"a":{"not":{}}}})").find("#/properties/a"),
            std::string::npos);
  EXPECT_EQ(service_.streams_started, 0);
}

TEST_F(HttpApiTest, GivesAnEmbeddingPerInputInOrder) {
  const HttpResponse answer = ask(
      "POST", "/v1/embeddings", R"({"input":["a","b","c"],"dimensions":2,"pooling":"last"})");
  EXPECT_EQ(answer.status, 200) << answer.body;
  const Json json = Json::parse(answer.body);
  EXPECT_EQ(json["model"], "fake") << "the one that is served";
  EXPECT_EQ(json["usage"]["prompt_tokens"], 3);
  ASSERT_EQ(json["data"].size(), 3u);
  EXPECT_EQ(json["data"][2]["embedding"], Json::parse("[2, 2]"));
  EXPECT_EQ(service_.last_embedding().pooling, transport::Pooling::kLast);
  EXPECT_EQ(service_.live_streams, 0);
}

TEST_F(HttpApiTest, RefusesEmbeddingsThatCannotBeGiven) {
  EXPECT_EQ(ask("GET", "/v1/embeddings").status, 405);
  EXPECT_EQ(ask("POST", "/v1/embeddings", "{}").status, 400);
  EXPECT_EQ(ask("POST", "/v1/embeddings", R"({"input":"a","model":"exhausted"})").status, 429);
  EXPECT_EQ(ask("POST", "/v1/embeddings", R"({"input":["a","b"],"model":"breaks"})").status, 503);
  const Json many = {{"input", std::vector<std::string>(600, "a")}};
  const HttpResponse large = ask("POST", "/v1/embeddings", many.dump());
  EXPECT_EQ(large.status, 400);
  EXPECT_NE(large.body.find("base64 or fewer dimensions"), std::string::npos);
  Json small = many;
  small["encoding_format"] = "base64";
  EXPECT_EQ(ask("POST", "/v1/embeddings", small.dump()).status, 200);
  give_up_ = Error(ErrorCode::kUnavailable, "this node is stopping");
  EXPECT_EQ(ask("POST", "/v1/embeddings", R"({"input":"a","model":"silent"})").status, 503);
  EXPECT_EQ(service_.live_streams, 0);
}

TEST_F(HttpApiTest, TokenizesAndDetokenizes) {
  EXPECT_EQ(ask("POST", "/tokenize", R"({"content":"ab","add_special":true})").body,
            R"({"tokens":[1000,97,98]})");
  EXPECT_EQ(ask("POST", "/detokenize", R"({"tokens":[97,98]})").body, R"({"content":"ab"})");
  EXPECT_EQ(ask("POST", "/tokenize", R"({"content":"x","model":"none"})").status, 404);
  EXPECT_EQ(ask("POST", "/tokenize", "{}").status, 400);
  EXPECT_EQ(ask("GET", "/tokenize").status, 405);
}

TEST_F(HttpApiTest, PassesOnAWishForAModel) {
  EXPECT_EQ(ask("POST", "/api/model", R"({"name":"silent"})").status, 202);
  EXPECT_EQ(service_.wanted(), "silent");
  EXPECT_EQ(ask("POST", "/api/model", R"({"name":"other"})").status, 404);
  for (const char* body : {"", "{}", R"({"name":1})", R"({"name":""})", "[]"}) {
    EXPECT_EQ(ask("POST", "/api/model", body).status, 400) << body;
  }
}

TEST_F(HttpApiTest, ServesThePageUnderAStrictPolicy) {
  for (const char* path : {"/", "/page.css", "/page.js"}) {
    const HttpResponse page = ask("GET", path);
    EXPECT_EQ(page.status, 200);
    EXPECT_FALSE(page.body.empty());
    EXPECT_EQ(page.headers[0].second, kPagePolicy);
    EXPECT_TRUE(HttpApi::is_public(path));
  }
  EXPECT_FALSE(HttpApi::is_public("/api/mesh"));
}

TEST_F(HttpApiTest, NamesTheServedModelWhereTheClientNamesNone) {
  const HttpResponse answer = ask("POST", "/v1/completions", R"({"prompt":"x"})");
  EXPECT_EQ(Json::parse(answer.body)["model"], "fake");
}

TEST_F(HttpApiTest, GivesUpAWholeAnswerWhenTold) {
  give_up_ = Error(ErrorCode::kUnavailable, "this node is stopping");
  const HttpResponse answer = ask("POST", "/v1/completions", R"({"model":"silent","prompt":"x"})");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(service_.live_streams, 0);
}

TEST_F(HttpApiTest, EndsAWholeAnswerThatGrowsTooLong) {
  const HttpResponse answer = ask("POST", "/v1/completions", R"({"model":"endless","prompt":"x"})");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(service_.live_streams, 0);
}

TEST_F(HttpApiTest, DrawsASeedWhereTheClientGivesNone) {
  const auto seed = [this] {
    ask("POST", "/v1/completions", R"({"model":"fake","prompt":"x"})");
    return service_.last_request().sampling.seed;
  };
  EXPECT_NE(seed(), seed());
}

}  // namespace
}  // namespace weft::node

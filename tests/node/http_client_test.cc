#include "node/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/node/scripted_server.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

HttpClient client_of(const ScriptedServer& server) {
  auto client = HttpClient::to(server.address());
  WEFT_ASSERT(client.ok());
  return *std::move(client);
}

TEST(HttpClient, GivesTheStatusAndTheBodyOfAnyReply) {
  ScriptedServer server({{ScriptedServer::json(503, "{\"ok\":false}")}});
  const auto reply = client_of(server).get("/health");
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(reply->body, "{\"ok\":false}");
  ASSERT_THAT(server.requests(), SizeIs(1));
  EXPECT_THAT(server.requests()[0], HasSubstr("GET /health HTTP/1.1\r\n"));
}

TEST(HttpClient, PostsJsonAndReadsJson) {
  ScriptedServer server({{ScriptedServer::json(200, "{\"name\":\"a\"}")}});
  const auto json = client_of(server).post_json("/api/model", {{"name", "weft-tiny"}});
  ASSERT_TRUE(json.ok()) << json.error().message;
  EXPECT_EQ((*json)["name"], "a");
  ASSERT_THAT(server.requests(), SizeIs(1));
  EXPECT_THAT(server.requests()[0], HasSubstr("POST /api/model HTTP/1.1\r\n"));
  EXPECT_TRUE(server.requests()[0].ends_with("\r\n\r\n{\"name\":\"weft-tiny\"}"));
}

TEST(HttpClient, TellsTheNodesOwnWordsForAnError) {
  ScriptedServer server({{ScriptedServer::json(
      404, "{\"error\":{\"message\":\"the mesh has no model 'x'\",\"code\":\"not_found\"}}")}});
  const auto json = client_of(server).get_json("/v1/models/x");
  ASSERT_FALSE(json.ok());
  EXPECT_EQ(json.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(json.error().message, "the mesh has no model 'x'");
}

TEST(HttpClient, TellsTheStatusWhereAnErrorHasNoWords) {
  EXPECT_THAT(reply_error({500, "<html>"}).message, HasSubstr("500"));
  EXPECT_EQ(reply_error({500, "[1]"}).code, ErrorCode::kInternal);
}

TEST(HttpClient, SaysThatAReplyThatIsNoJsonComesFromNoNode) {
  ScriptedServer server({{ScriptedServer::json(200, "<html>")}});
  const auto json = client_of(server).get_json("/api/mesh");
  ASSERT_FALSE(json.ok());
  EXPECT_EQ(json.error().code, ErrorCode::kCorrupt);
}

TEST(HttpClient, GoesPastAProxyOfTheEnvironment) {
  ASSERT_EQ(::setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
  ScriptedServer server({{ScriptedServer::json(200, "{}")}});
  const auto json = client_of(server).get_json("/");
  ::unsetenv("http_proxy");
  EXPECT_TRUE(json.ok()) << json.error().message;
}

TEST(HttpClient, HandsOverEventsAsTheyComeWhereverTheyAreCut) {
  ScriptedServer server(
      {{ScriptedServer::stream_head(), "data: on", "e\n", "\ndata: two\n\ndata", ": [DONE]\n\n"}});
  std::vector<std::string> events;
  const auto done = client_of(server).post_events("/v1/completions", {{"stream", true}},
                                                  [&](std::string_view data) -> Result<> {
                                                    events.emplace_back(data);
                                                    return {};
                                                  });
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_THAT(events, ElementsAre("one", "two", "[DONE]"));
}

TEST(HttpClient, SendsTheKeyThatItWasGiven) {
  ScriptedServer server({{ScriptedServer::json(200, "{}")}});
  HttpClient client = client_of(server);
  for (const char* key : {"", "two words", "line\n", "\x80"}) {
    EXPECT_FALSE(client.use_api_key(key).ok()) << key;
  }
  ASSERT_TRUE(client.use_api_key("secret-1").ok());
  ASSERT_TRUE(client.get("/").ok());
  EXPECT_THAT(server.requests()[0], HasSubstr("Authorization: Bearer secret-1\r\n"));
}

TEST(HttpClient, ReadsTheApiKeyFromAFile) {
  test::TemporaryFolder folder;
  ASSERT_TRUE(write_file_atomic(folder / "key", as_bytes(" secret-2\n"), 0600).ok());
  ASSERT_TRUE(write_file_atomic(folder / "empty", as_bytes("\n"), 0600).ok());
  ScriptedServer server({{ScriptedServer::json(200, "{}")}});
  HttpClient client = client_of(server);
  ASSERT_TRUE(client.use_api_key_file(folder / "key").ok());
  EXPECT_TRUE(client.use_api_key_file("").ok());
  EXPECT_EQ(client.use_api_key_file(folder / "none").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(client.use_api_key_file(folder / "empty").error().message, HasSubstr("empty: "));
  ASSERT_TRUE(client.get("/").ok());
  EXPECT_THAT(server.requests()[0], HasSubstr("Authorization: Bearer secret-2\r\n"));
}

TEST(HttpClient, SaysHowToGiveTheKeyThatANodeWants) {
  ScriptedServer server({{ScriptedServer::json(401, "{\"error\":{\"message\":\"no key\"}}")},
                         {ScriptedServer::json(401, "")},
                         {ScriptedServer::json(403, "")}});
  const HttpClient client = client_of(server);
  for (const bool advised : {true, true, false}) {
    const auto reply = client.get_json("/api/mesh");
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, ErrorCode::kDenied);
    EXPECT_EQ(reply.error().message.find("--api-key-file FILE") != std::string::npos, advised)
        << reply.error().message;
  }
}

TEST(HttpClient, EndsAStreamWhenItsReaderFails) {
  ScriptedServer server({{ScriptedServer::stream_head(), "data: 1\n\ndata: 2\n\n"}});
  int seen = 0;
  const auto done = client_of(server).post_events("/", {}, [&](std::string_view) -> Result<> {
    ++seen;
    return Error(ErrorCode::kCorrupt, "not what I expected");
  });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().message, "not what I expected");
  EXPECT_EQ(seen, 1);
}

TEST(HttpClient, TakesAnErrorReplyInPlaceOfAStream) {
  ScriptedServer server(
      {{ScriptedServer::json(400, "{\"error\":{\"message\":\"'messages' must be a list\"}}")}});
  const auto done = client_of(server).post_events("/", {}, [](std::string_view) -> Result<> {
    ADD_FAILURE() << "an error is no event";
    return {};
  });
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(done.error().message, "'messages' must be a list");
}

TEST(HttpClient, EndsAWaitWhenItIsCancelled) {
  ScriptedServer server(std::vector<std::vector<std::string>>(1));
  int looks = 0;  // the server never answers
  auto client = HttpClient::to(server.address(), [&] { return ++looks > 2; });
  ASSERT_TRUE(client.ok());
  const auto reply = client->get("/");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kCancelled);
}

TEST(HttpClient, SaysToStartANodeWhereNobodyListens) {
  std::string address;
  {
    ScriptedServer gone({});
    address = gone.address();
  }
  const auto client = HttpClient::to(address);
  ASSERT_TRUE(client.ok());
  const auto reply = client->get("/health");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(reply.error().message, HasSubstr("weft up"));
}

TEST(HttpClient, RefusesWhatIsNoAddress) {
  for (const char* address : {"", "host", ":80", "host:", "host:0", "host:70000", "a b:80",
                              "host/path:80", "user@host:80", "host:80/x", "host\n:80"}) {
    const auto client = HttpClient::to(address);
    ASSERT_FALSE(client.ok()) << address;
    EXPECT_EQ(client.error().code, ErrorCode::kInvalid) << address;
  }
  EXPECT_TRUE(HttpClient::to("[::1]:7070").ok());
}

TEST(HttpClient, FindsTheNodeOfAFolder) {
  test::TemporaryFolder folder;
  const auto none = HttpClient::to_node(folder.path(), "");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(none.error().message, HasSubstr("weft up --dir " + folder.path()));

  const std::string line = "127.0.0.1:7075\n";
  ASSERT_TRUE(write_file_atomic(folder / "http.addr", as_bytes(line)).ok());
  const auto found = HttpClient::to_node(folder.path(), "");
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->address(), "127.0.0.1:7075");
  const auto named = HttpClient::to_node(folder.path(), "10.0.0.1:80");
  ASSERT_TRUE(named.ok());
  EXPECT_EQ(named->address(), "10.0.0.1:80");
}

}  // namespace
}  // namespace weft::node

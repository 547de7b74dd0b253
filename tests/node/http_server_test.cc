#include "node/http_server.h"

#include <gtest/gtest.h>

#include <thread>

#include "node/http_json.h"
#include "tests/support/fake_service.h"
#include "tests/support/http_client.h"

namespace weft::node {
namespace {

using test::FakeService;
using test::http_fetch;
using test::http_request;
using test::HttpClient;
using test::HttpReply;
using Json = nlohmann::json;

class HttpServerTest : public ::testing::Test {
 protected:
  void start(HttpOptions options = {}) {
    options.address = "127.0.0.1:0";
    auto started = HttpServer::start(std::move(options), service_);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = *std::move(started);
  }
  uint16_t port() const { return server_->port(); }
  static std::string chat(std::string_view model, bool stream) {
    return cat(R"({"model":")", model, R"(","stream":)", stream ? "true" : "false",
               R"(,"messages":[{"role":"user","content":"hi"}]})");
  }
  HttpReply post_chat(std::string_view model, bool stream) {
    return http_fetch(port(), "POST", "/v1/chat/completions", chat(model, stream));
  }
  // Waits for the stream count; true if it is reached within `limit`.
  bool streams_become(int count, Duration limit) {
    const SystemClock clock;
    const Time end = clock.now() + limit;
    while (service_.live_streams != count) {
      if (clock.now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  static std::string error_code(const HttpReply& reply) {
    const Json json = Json::parse(reply.body, nullptr, false);
    if (!json.is_object() || !json.contains("error")) return "not an error: " + reply.body;
    const Json& error = json["error"];
    EXPECT_TRUE(error.contains("message") && error.contains("type") && error.contains("param"));
    return error["code"].is_string() ? error["code"].get<std::string>() : "null";
  }

  FakeService service_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersAChatWhole) {
  start();
  const HttpReply reply = post_chat("fake", false);
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.whole);
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  const Json json = Json::parse(reply.body);
  EXPECT_EQ(json["choices"][0]["message"]["content"], "Hello from the mesh, hi.");
  EXPECT_EQ(json["usage"]["total_tokens"], 12);
  EXPECT_EQ(service_.live_streams, 0);
}

TEST_F(HttpServerTest, StreamsAChatAsServerSentEvents) {
  start();
  const HttpReply reply = post_chat("fake", true);
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.whole);
  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_TRUE(reply.body.ends_with("data: [DONE]\n\n"));
  EXPECT_NE(reply.body.find(R"("content":" mesh,")"), std::string::npos);
}

TEST_F(HttpServerTest, AnswersATextCompletion) {
  start();
  const HttpReply reply =
      http_fetch(port(), "POST", "/v1/completions", R"({"model":"fake","prompt":"abc"})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(Json::parse(reply.body)["choices"][0]["text"], "Hello from the mesh, abc.");
}

TEST_F(HttpServerTest, ServesSeveralRequestsOnOneConnection) {
  start();
  HttpClient client(port());
  const std::string request = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(request));
    EXPECT_NE(client.receive_until("null}").find("200 OK"), std::string::npos);
  }
}

TEST_F(HttpServerTest, GivesEachErrorOfTheServiceItsStatus) {
  start();
  const std::pair<const char*, int> cases[] = {{"invalid", 400},   {"not_found", 404},
                                               {"exhausted", 429}, {"unavailable", 503},
                                               {"timeout", 504},   {"internal", 500}};
  for (const auto& [code, status] : cases) {
    for (const bool stream : {false, true}) {
      const HttpReply reply = post_chat(code, stream);
      EXPECT_EQ(reply.status, status) << code;
      EXPECT_EQ(error_code(reply), code);
      EXPECT_EQ(reply.headers.contains("retry-after"), status == 429 || status == 503) << code;
    }
  }
}

TEST_F(HttpServerTest, EndsABrokenStreamWithAnErrorEventAndNoDone) {
  start();
  const HttpReply reply = post_chat("breaks", true);
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.body.find(R"("code":"unavailable")"), std::string::npos);
  EXPECT_EQ(reply.body.find("[DONE]"), std::string::npos);
  EXPECT_EQ(post_chat("breaks", false).status, 503);
}

TEST_F(HttpServerTest, RefusesUnknownPathsAndWrongMethods) {
  start();
  for (const char* path :
       {"/nothing", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/models/"}) {
    EXPECT_EQ(http_fetch(port(), "GET", path).status, 404) << path;
  }
  const HttpReply get = http_fetch(port(), "GET", "/v1/chat/completions");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.headers.at("allow"), "POST");
  EXPECT_EQ(http_fetch(port(), "DELETE", "/v1/models").status, 405);
  const HttpReply preflight = http_fetch(port(), "OPTIONS", "/v1/chat/completions");
  EXPECT_EQ(preflight.status, 405);
  EXPECT_FALSE(preflight.headers.contains("access-control-allow-origin"));
}

TEST_F(HttpServerTest, RefusesAForeignHostOrOrigin) {
  HttpOptions options;
  options.allowed_hosts = {"weft.home"};
  start(options);
  EXPECT_EQ(http_fetch(port(), "GET", "/health", "", "Host: evil.example\r\n").status, 403);
  EXPECT_EQ(http_fetch(port(), "GET", "/health", "", "Host: weft.home:7070\r\n").status, 200);
  EXPECT_EQ(http_fetch(port(), "GET", "/health", "", "Host: [::1]:7070\r\n").status, 200);
  const std::string host = cat("Host: localhost:", port(), "\r\n");
  EXPECT_EQ(
      http_fetch(port(), "GET", "/health", "", host + "Origin: http://evil.example\r\n").status,
      403);
  EXPECT_EQ(http_fetch(port(), "GET", "/health", "", host + "Origin: null\r\n").status, 403);
  EXPECT_EQ(http_fetch(port(), "GET", "/health", "",
                       cat(host, "Origin: http://localhost:", port(), "\r\n"))
                .status,
            200);
}

TEST_F(HttpServerTest, AsksForTheKeyBeforeItReadsABody) {
  HttpOptions options;
  options.api_key = "sesame";
  start(options);
  EXPECT_EQ(http_fetch(port(), "GET", "/health").status, 200);
  EXPECT_EQ(http_fetch(port(), "GET", "/").status, 200);
  for (const char* path : {"/v1/models", "/metrics", "/api/mesh"}) {
    EXPECT_EQ(http_fetch(port(), "GET", path).status, 401) << path;
    EXPECT_EQ(http_fetch(port(), "GET", path, "", "Authorization: Bearer wrong\r\n").status, 401);
    EXPECT_EQ(http_fetch(port(), "GET", path, "", "Authorization: Bearer sesame\r\n").status, 200);
  }
  const HttpReply reply = post_chat("fake", false);
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(error_code(reply), "invalid_api_key");
}

TEST_F(HttpServerTest, RefusesLargeBodiesHoweverTheyAreSent) {
  HttpOptions options;
  options.limits.body_bytes_max = 64 * 1024;
  start(options);
  const HttpReply announced =
      http_fetch(port(), "POST", "/v1/completions", "", "Content-Length: 99999999999\r\n");
  EXPECT_EQ(announced.status, 413);
  EXPECT_EQ(error_code(announced), "body_too_large");

  HttpClient endless(port());
  endless.send(
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = cat("1000\r\n", std::string(0x1000, 'x'), "\r\n");
  constexpr int kChunksMax = 16384;  // 64 MiB: more than the sockets between can hold
  int sent = 0;
  while (sent < kChunksMax && endless.send(chunk)) ++sent;
  EXPECT_LT(sent, kChunksMax) << "an endless body was read to its end";
  EXPECT_EQ(endless.reply().status, 413);
}

TEST_F(HttpServerTest, RefusesABodyWhoseLengthIsSaidTwice) {
  start();
  for (const char* extra :
       {"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n", "Transfer-Encoding: gzip\r\n"}) {
    EXPECT_EQ(http_fetch(port(), "POST", "/v1/completions", "", extra).status, 400) << extra;
  }
}

TEST_F(HttpServerTest, SurvivesGiantLinesAndThousandsOfHeaders) {
  start();
  HttpClient line(port());
  line.send(cat("GET /", std::string(1'000'000, 'a'), " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  const int status = line.reply().status;
  EXPECT_TRUE(status == 414 || status == 431 || status == 0) << status;
  std::string many;
  for (int i = 0; i < 10'000; ++i) many += cat("X-", i, ": y\r\n");
  const int refused = http_fetch(port(), "GET", "/health", "", many).status;
  EXPECT_TRUE(refused == 431 || refused == 413 || refused == 0) << refused;
  EXPECT_EQ(http_fetch(port(), "GET", "/health").status, 200);
}

TEST_F(HttpServerTest, EndsRequestsThatDrip) {
  HttpOptions options;
  options.limits.header_within = milliseconds(300);
  options.limits.body_gap_max = milliseconds(300);
  start(options);
  HttpClient head(port());
  head.send("GET /health HT");
  EXPECT_EQ(head.receive_until(""), "");
  HttpClient body(port());
  body.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  const HttpReply reply = body.reply();
  EXPECT_EQ(reply.status, 408);
  EXPECT_EQ(error_code(reply), "timeout");
}

TEST_F(HttpServerTest, RefusesHostileJson) {
  start();
  const std::string messages = R"("messages":[{"role":"user","content":"x"}])";
  const std::string hostile[] = {
      "",
      "{",
      "[]",
      "nul",
      std::string(100'000, '['),
      cat(R"({"messages":)", std::string(100'000, '['), std::string(100'000, ']'), "}"),
      cat("{\"a\":[", std::string(300'000, ','), "]}"),
      "{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}",
      R"({"messages":[{"role":"user","content":"\ud800"}]})",
      cat("{", messages, R"(,"max_tokens":-1})"),
      cat("{", messages, R"(,"max_tokens":99999999999999999999})"),
      cat("{", messages, R"(,"max_tokens":1.5})"),
      cat("{", messages, R"(,"temperature":1e999})"),
      cat("{", messages, R"(,"temperature":-0.1})"),
      cat("{", messages, R"(,"temperature":"hot"})"),
      cat("{", messages, R"(,"top_p":2})"),
      cat("{", messages, R"(,"n":9})"),
      cat("{", messages, R"(,"stop":["a",7]})"),
      cat("{", messages, R"(,"stream":"yes"})"),
      R"({"messages":[]})",
      R"({"messages":[{"role":"root","content":"x"}]})",
      R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})",
  };
  for (const std::string& body : hostile) {
    const HttpReply reply = http_fetch(port(), "POST", "/v1/chat/completions", body);
    EXPECT_EQ(reply.status, 400) << body.substr(0, 80);
    EXPECT_EQ(error_code(reply), "invalid");
  }
  EXPECT_EQ(service_.streams_started, 0);
}

TEST_F(HttpServerTest, FreesTheStreamOfAClientThatLeavesDuringPrefill) {
  start();
  for (const bool stream : {true, false}) {
    HttpClient client(port());
    client.send(http_request("POST", "/v1/chat/completions", chat("silent", stream)));
    ASSERT_TRUE(streams_become(1, seconds(5)));
    client.close();
    EXPECT_TRUE(streams_become(0, seconds(2))) << "stream " << stream;
  }
}

TEST_F(HttpServerTest, SendsACommentInASilentStream) {
  HttpOptions options;
  options.limits.keep_alive_every = milliseconds(100);
  start(options);
  HttpClient client(port());
  client.send(http_request("POST", "/v1/chat/completions", chat("silent", true)));
  EXPECT_NE(client.receive_until(": keep-alive").find(": keep-alive"), std::string::npos);
}

TEST_F(HttpServerTest, CutsOffAReaderThatReadsNothing) {
  HttpOptions options;
  options.limits.write_stall_max = seconds(1);
  start(options);
  HttpClient client(port(), 4096);
  client.send(http_request("POST", "/v1/chat/completions", chat("endless", true)));
  ASSERT_TRUE(streams_become(1, seconds(5)));
  EXPECT_EQ(post_chat("fake", false).status, 200) << "another client waits for a slow reader";
  EXPECT_TRUE(streams_become(0, seconds(6)));
}

TEST_F(HttpServerTest, ServesTwentyStreamsAtOnce) {
  start();
  std::vector<HttpClient> silent;
  for (int i = 0; i < 20; ++i) {
    silent.emplace_back(port());
    silent.back().send(http_request("POST", "/v1/chat/completions", chat("silent", true)));
  }
  ASSERT_TRUE(streams_become(20, seconds(10)));
  std::vector<std::thread> readers;
  std::atomic<int> right{0};
  for (int i = 0; i < 20; ++i) {
    readers.emplace_back([&] { right += post_chat("fake", true).body.ends_with("[DONE]\n\n"); });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(right, 20);
  for (HttpClient& client : silent) client.close();
  EXPECT_TRUE(streams_become(0, seconds(5)));
}

TEST_F(HttpServerTest, EndsOpenStreamsWithAnErrorEventWhenItStops) {
  start();
  HttpClient client(port());
  client.send(http_request("POST", "/v1/chat/completions", chat("silent", true)));
  ASSERT_TRUE(streams_become(1, seconds(5)));
  server_.reset();
  const HttpReply reply = client.reply();
  EXPECT_NE(reply.body.find("this node is stopping"), std::string::npos);
  EXPECT_EQ(service_.live_streams, 0);
}

TEST_F(HttpServerTest, SaysWhichFlagHelpsWhenThePortIsInUse) {
  start();
  HttpOptions again;
  again.address = cat("127.0.0.1:", port());
  const auto second = HttpServer::start(again, service_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_NE(second.error().message.find("--http"), std::string::npos);
}

TEST_F(HttpServerTest, RefusesAnOpenAddressWithoutAKey) {
  HttpOptions options;
  options.address = "0.0.0.0:0";
  const auto open = HttpServer::start(options, service_);
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().code, ErrorCode::kDenied);
  options.api_key = "sesame";
  EXPECT_TRUE(HttpServer::start(options, service_).ok());
}

}  // namespace
}  // namespace weft::node

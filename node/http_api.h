// HttpApi: what each path answers, without sockets. http_server brings the requests.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/metrics.h"
#include "node/openai_response.h"
#include "node/openai_stream.h"
#include "node/service.h"

namespace weft::node {

struct HttpRequest {
  std::string method;  // "GET", "HEAD" or "POST"
  std::string path;    // decoded, without the query
  std::string body;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::unique_ptr<SseStream> stream;  // if set, the body is what it gives
};

// An error as a response, with Retry-After where trying again may help.
HttpResponse error_response(const ApiError& error);

class HttpApi {
 public:
  // The service must outlive this.
  explicit HttpApi(Service& service);

  // Before the body is read: 404 or 405 for what no handler takes; nothing if it may go on.
  std::optional<HttpResponse> refuse(std::string_view method, std::string_view path) const;
  // Paths that need no API key: the page, which asks for it, and /health.
  static bool is_public(std::string_view path);

  // Answers; a whole (not streamed) completion is waited for here.
  //   give_up  asked several times a second while waiting: why the wait is of no use any more
  // Any thread, several at once.
  HttpResponse handle(const HttpRequest& request, const HttpCounters& counters,
                      const std::function<std::optional<Error>()>& give_up) const;

 private:
  using GiveUp = std::function<std::optional<Error>()>;
  HttpResponse complete(const HttpRequest& request, bool chat, const GiveUp& give_up) const;
  HttpResponse embed(const HttpRequest& request, const GiveUp& give_up) const;
  HttpResponse tokenize(const HttpRequest& request) const;
  HttpResponse detokenize(const HttpRequest& request) const;
  HttpResponse want_model(const HttpRequest& request) const;
  HttpResponse preview(const HttpRequest& request) const;
  HttpResponse one_model(std::string_view name) const;
  HttpResponse health() const;
  AnswerHead answer_head(const CompletionRequest& request) const;
  // The model that was asked for, or without one: that is served.
  std::string model_name(const std::string& asked) const;

  Service& service_;
  SystemClock clock_;
  const int64_t started_;  // Unix seconds
};

}  // namespace weft::node

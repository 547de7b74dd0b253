#include "node/http_server.h"

#include <microhttpd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "node/http_api.h"
#include "node/http_connections.h"
#include "node/http_guard.h"
#include "node/listen_socket.h"

namespace weft::node {
namespace {

constexpr Duration kPollEvery = milliseconds(200);  // while a stream is silent
constexpr size_t kStreamBlockBytes = 16 * 1024;

// One request on its way in.
struct Exchange {
  HttpRequest request;
  Time started{};
  size_t counted = 0;     // of the server's budget for bodies
  size_t dropped = 0;     // bytes read after the request was refused
  bool refused = false;   // its error is already on the wire
  bool answering = false;
};

unsigned whole_seconds(Duration duration) {
  return unsigned(std::chrono::ceil<seconds>(duration).count());
}

const char* header(MHD_Connection* connection, const char* name) {
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

struct HeaderCount {
  const char* name;
  int count;
};
MHD_Result count_header(void* closure, MHD_ValueKind, const char* key, const char*) {
  auto* wanted = static_cast<HeaderCount*>(closure);
  if (strcasecmp(key, wanted->name) == 0) ++wanted->count;
  return MHD_YES;
}
int header_count(MHD_Connection* connection, const char* name) {
  HeaderCount wanted{name, 0};
  MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &wanted);
  return wanted.count;
}

// A request whose length can be read in two ways may be two requests to someone between (request
// smuggling, RFC 9112 section 6.3).
Result<> check_framing(MHD_Connection* connection) {
  const int lengths = header_count(connection, "Content-Length");
  const int encodings = header_count(connection, "Transfer-Encoding");
  if (header_count(connection, "Host") > 1) {
    return Error(ErrorCode::kInvalid, "the request has more than one Host header");
  }
  if (lengths + encodings > 1) {
    return Error(ErrorCode::kInvalid, "the request says its body's length in more than one way");
  }
  const char* encoding = header(connection, "Transfer-Encoding");
  if (encoding && strcasecmp(encoding, "chunked") != 0) {
    return Error(ErrorCode::kInvalid, "the only Transfer-Encoding read here is chunked");
  }
  return {};
}

ApiError too_large(size_t limit) {
  return {413, cat("the body is larger than ", format_bytes(limit)), "invalid_request_error",
          "body_too_large"};
}

// A whole response, for a connection whose body is still being read: libmicrohttpd takes an answer
// only before the body or after it.
std::string raw_response(const ApiError& error, std::string_view reason) {
  const std::string body = error_json(error);
  return cat("HTTP/1.1 ", error.status, " ", reason,
             "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ",
             body.size(), "\r\n\r\n", body);
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpOptions options, HttpGuard guard, Service& service)
      : limits_(options.limits), guard_(std::move(guard)), api_(service) {}
  ~Impl() { stop(); }

  Result<> listen(FileDescriptor socket);
  uint16_t port() const { return port_; }

 private:
  // The body of a streamed answer, owned by its libmicrohttpd response.
  struct StreamBody {
    Impl& server;
    const int socket;
    std::unique_ptr<SseStream> stream;
    std::string pending;
    size_t given = 0;  // of pending
  };

  void stop();
  MHD_Result on_request(MHD_Connection* connection, const char* url, const char* method,
                        const char* data, size_t* size, void** state);
  MHD_Result begin(MHD_Connection* connection, Exchange& exchange);
  std::optional<HttpResponse> refuse(MHD_Connection* connection, const Exchange& exchange) const;
  MHD_Result take_body(MHD_Connection* connection, Exchange& exchange, std::string_view data);
  MHD_Result answer(MHD_Connection* connection, Exchange& exchange);
  MHD_Result send(MHD_Connection* connection, Exchange& exchange, HttpResponse response);
  void on_completed(MHD_Connection* connection, std::unique_ptr<Exchange> exchange);
  void on_connection(MHD_Connection* connection, void** state, bool started);
  ssize_t read_stream(StreamBody& body, char* out, size_t size);
  HttpCounters counters() const;
  static WatchedConnection* watched(MHD_Connection* connection);

  const HttpLimits limits_;
  const HttpGuard guard_;
  const HttpApi api_;
  const SystemClock clock_;
  uint16_t port_ = 0;
  ConnectionWatch watch_;
  std::atomic<bool> stopping_{false};
  std::atomic<size_t> bodies_bytes_{0};
  std::atomic<uint64_t> requests_{0}, errors_{0}, streams_{0};
  std::mutex mutex_;
  std::condition_variable idle_;
  size_t answering_ = 0;  // under mutex_
  MHD_Daemon* daemon_ = nullptr;
};

Result<> HttpServer::Impl::listen(FileDescriptor socket) {
  port_ = port_of(socket.get());
  const auto on_request = [](void* self, MHD_Connection* connection, const char* url,
                             const char* method, const char*, const char* data, size_t* size,
                             void** state) {
    return static_cast<Impl*>(self)->on_request(connection, url, method, data, size, state);
  };
  const auto on_completed = [](void* self, MHD_Connection* connection, void** state,
                               MHD_RequestTerminationCode) {
    std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(std::exchange(*state, nullptr)));
    if (exchange) static_cast<Impl*>(self)->on_completed(connection, std::move(exchange));
  };
  const auto on_connection = [](void* self, MHD_Connection* connection, void** state,
                                MHD_ConnectionNotificationCode code) {
    static_cast<Impl*>(self)->on_connection(connection, state,
                                            code == MHD_CONNECTION_NOTIFY_STARTED);
  };
  const MHD_AccessHandlerCallback request_callback = on_request;
  const MHD_RequestCompletedCallback completed_callback = on_completed;
  const MHD_NotifyConnectionCallback connection_callback = on_connection;
  // The daemon owns the socket from here on, whether it starts or not.
  daemon_ = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC,
      0, nullptr, nullptr, request_callback, this,                             //
      MHD_OPTION_LISTEN_SOCKET, socket.release(),                              //
      MHD_OPTION_NOTIFY_COMPLETED, completed_callback, this,                   //
      MHD_OPTION_NOTIFY_CONNECTION, connection_callback, this,                 //
      MHD_OPTION_CONNECTION_LIMIT, limits_.connections_max,                    //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits_.header_bytes_max,            //
      MHD_OPTION_CONNECTION_TIMEOUT, whole_seconds(limits_.write_stall_max),   //
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
  if (!daemon_) return Error(ErrorCode::kIo, "the HTTP server's threads could not be started");
  log_info("http.listening", {{"port", port_}});
  return {};
}

void HttpServer::Impl::stop() {
  if (!daemon_) return;
  stopping_ = true;
  FileDescriptor socket(MHD_quiesce_daemon(daemon_));
  {
    std::unique_lock lock(mutex_);
    idle_.wait_until(lock, std::chrono::system_clock::now() + limits_.stop_within,
                     [this] { return answering_ == 0; });
  }
  MHD_stop_daemon(std::exchange(daemon_, nullptr));  // waits for every connection's thread
  log_info("http.stopped", {{"port", port_}});
}

WatchedConnection* HttpServer::Impl::watched(MHD_Connection* connection) {
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? static_cast<WatchedConnection*>(info->socket_context) : nullptr;
}

void HttpServer::Impl::on_connection(MHD_Connection* connection, void** state, bool started) {
  if (!started) {
    std::unique_ptr<WatchedConnection> ended(
        static_cast<WatchedConnection*>(std::exchange(*state, nullptr)));
    if (ended) watch_.remove(ended.get());
    return;
  }
  const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  auto entry = std::make_unique<WatchedConnection>(info->connect_fd, local_host(info->connect_fd));
  watch_.add(entry.get());
  watch_.expect(entry.get(), limits_.header_within);
  *state = entry.release();
}

MHD_Result HttpServer::Impl::on_request(MHD_Connection* connection, const char* url,
                                        const char* method, const char* data, size_t* size,
                                        void** state) {
  if (!*state) {  // the headers are there
    auto exchange = std::make_unique<Exchange>();
    exchange->request.method = method;
    exchange->request.path = url;
    exchange->started = clock_.now();
    ++requests_;
    Exchange& begun = *exchange;
    *state = exchange.release();
    return begin(connection, begun);
  }
  auto& exchange = *static_cast<Exchange*>(*state);
  if (*size > 0) {
    const std::string_view part(data, *size);
    *size = 0;
    return take_body(connection, exchange, part);
  }
  if (exchange.refused) return MHD_NO;
  return answer(connection, exchange);
}

std::optional<HttpResponse> HttpServer::Impl::refuse(MHD_Connection* connection,
                                                     const Exchange& exchange) const {
  if (auto framing = check_framing(connection); !framing.ok()) {
    return error_response(api_error(framing.error()));
  }
  const auto allowed = guard_.check_host(header(connection, "Host"), header(connection, "Origin"),
                                         watched(connection)->local_host);
  if (!allowed.ok()) return error_response(api_error(allowed.error()));
  if (!HttpApi::is_public(exchange.request.path)) {
    if (auto key = guard_.check_key(header(connection, "Authorization")); !key.ok()) {
      return error_response({401, key.error().message, "authentication_error", "invalid_api_key"});
    }
  }
  if (auto refusal = api_.refuse(exchange.request.method, exchange.request.path)) return refusal;
  if (const char* length = header(connection, "Content-Length")) {
    const auto bytes = parse_u64(length);
    if (!bytes.ok()) {
      return error_response(
          api_error(Error(ErrorCode::kInvalid, "the Content-Length is not a number")));
    }
    if (*bytes > limits_.body_bytes_max) return error_response(too_large(limits_.body_bytes_max));
  }
  return std::nullopt;
}

MHD_Result HttpServer::Impl::begin(MHD_Connection* connection, Exchange& exchange) {
  if (auto refusal = refuse(connection, exchange)) {
    return send(connection, exchange, std::move(*refusal));
  }
  static const std::string late = raw_response(
      {408, "the request's body came too slowly", "invalid_request_error", "timeout"},
      "Request Timeout");
  watch_.expect(watched(connection), limits_.body_gap_max, late);
  return MHD_YES;
}

MHD_Result HttpServer::Impl::take_body(MHD_Connection* connection, Exchange& exchange,
                                       std::string_view data) {
  WatchedConnection* entry = watched(connection);
  if (exchange.refused) {
    // What follows is read for a while, so that the client gets to read the refusal.
    exchange.dropped += data.size();
    return exchange.dropped > limits_.body_bytes_max ? MHD_NO : MHD_YES;
  }
  std::string& body = exchange.request.body;
  const bool fits = body.size() + data.size() <= limits_.body_bytes_max;
  const bool room = bodies_bytes_.fetch_add(data.size()) + data.size() <= limits_.bodies_bytes_max;
  exchange.counted += data.size();
  if (fits && room) {
    body.append(data);
    const Duration left = exchange.started + limits_.body_within - clock_.now();
    if (left < limits_.body_gap_max) {
      watch_.expect(entry, std::max(left, Duration(1)), entry->last_words);
    } else {
      watch_.expect(entry, limits_.body_gap_max, entry->last_words);
    }
    return MHD_YES;
  }
  const ApiError error =
      fits ? api_error(Error(ErrorCode::kExhausted,
                             "too many large requests are being read; try again soon"))
           : too_large(limits_.body_bytes_max);
  ++errors_;
  exchange.refused = true;
  std::string().swap(body);
  ConnectionWatch::say_and_close(
      entry->socket, raw_response(error, fits ? "Too Many Requests" : "Content Too Large"));
  return MHD_YES;
}

MHD_Result HttpServer::Impl::answer(MHD_Connection* connection, Exchange& exchange) {
  WatchedConnection* entry = watched(connection);
  watch_.relax(entry);
  {
    std::lock_guard lock(mutex_);
    ++answering_;
  }
  exchange.answering = true;
  const auto give_up = [this, socket = entry->socket]() -> std::optional<Error> {
    if (stopping_) return Error(ErrorCode::kUnavailable, "this node is stopping");
    if (ConnectionWatch::is_gone(socket)) return Error(ErrorCode::kCancelled, "the client left");
    return std::nullopt;
  };
  // The daemon's timeout counts from the last byte, also while an answer is being made: off until
  // there is something to send.
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
  HttpResponse response = api_.handle(exchange.request, counters(), give_up);
  MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                            whole_seconds(limits_.write_stall_max));
  std::string().swap(exchange.request.body);
  return send(connection, exchange, std::move(response));
}

MHD_Result HttpServer::Impl::send(MHD_Connection* connection, Exchange&, HttpResponse response) {
  watch_.relax(watched(connection));
  MHD_Response* raw = nullptr;
  if (response.stream) {
    ++streams_;
    auto* body = new StreamBody{*this, watched(connection)->socket, std::move(response.stream),
                                std::string(), 0};
    const auto read = [](void* closure, uint64_t, char* out, size_t size) {
      auto* stream = static_cast<StreamBody*>(closure);
      return stream->server.read_stream(*stream, out, size);
    };
    const auto end = [](void* closure) {
      std::unique_ptr<StreamBody> stream(static_cast<StreamBody*>(closure));
      --stream->server.streams_;
    };
    raw = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kStreamBlockBytes, read, body, end);
    if (!raw) end(body);
  } else {
    raw = MHD_create_response_from_buffer(response.body.size(), response.body.data(),
                                          MHD_RESPMEM_MUST_COPY);
  }
  if (!raw) return MHD_NO;
  MHD_add_response_header(raw, "Content-Type", response.content_type.c_str());
  MHD_add_response_header(raw, "Cache-Control", "no-store");
  MHD_add_response_header(raw, "X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) {
    MHD_add_response_header(raw, name.c_str(), value.c_str());
  }
  if (response.status >= 400) ++errors_;
  const MHD_Result queued = MHD_queue_response(connection, unsigned(response.status), raw);
  MHD_destroy_response(raw);  // the connection holds its own reference
  return queued;
}

ssize_t HttpServer::Impl::read_stream(StreamBody& body, char* out, size_t size) {
  Time silent_since = clock_.now();
  while (body.given == body.pending.size()) {
    if (stopping_) body.stream->fail(Error(ErrorCode::kUnavailable, "this node is stopping"));
    if (ConnectionWatch::is_gone(body.socket)) return MHD_CONTENT_READER_END_WITH_ERROR;
    auto next = body.stream->next(kPollEvery);
    if (!next) return MHD_CONTENT_READER_END_OF_STREAM;
    body.pending = std::move(*next);
    body.given = 0;
    if (body.pending.empty() && clock_.now() - silent_since >= limits_.keep_alive_every) {
      body.pending = kSseKeepAlive;
    }
  }
  const size_t count = std::min(size, body.pending.size() - body.given);
  std::memcpy(out, body.pending.data() + body.given, count);
  body.given += count;
  return ssize_t(count);
}

void HttpServer::Impl::on_completed(MHD_Connection* connection,
                                    std::unique_ptr<Exchange> exchange) {
  bodies_bytes_ -= exchange->counted;
  if (exchange->answering) {
    std::lock_guard lock(mutex_);
    if (--answering_ == 0) idle_.notify_all();
  }
  if (WatchedConnection* entry = watched(connection)) watch_.expect(entry, limits_.header_within);
}

HttpCounters HttpServer::Impl::counters() const {
  return {requests_, errors_, watch_.size(), streams_};
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
uint16_t HttpServer::port() const { return impl_->port(); }

Result<> check_http_options(const HttpOptions& options) {
  WEFT_TRY(const ListenAddress address, parse_listen_address(options.address));
  if (!address.loopback && !options.api_key) {
    return Error(ErrorCode::kDenied,
                 cat("HTTP at ", options.address,
                     " would be open to the whole network; set an API key (--api-key-file), or "
                     "listen at 127.0.0.1:", address.port));
  }
  WEFT_CHECK(HttpGuard::create(options.allowed_hosts, options.api_key));
  return {};
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpOptions options, Service& service) {
  WEFT_CHECK(check_http_options(options));
  WEFT_TRY(const ListenAddress address, parse_listen_address(options.address));
  WEFT_TRY(HttpGuard guard, HttpGuard::create(options.allowed_hosts, options.api_key));
  WEFT_TRY(FileDescriptor socket, listen_at(address, options.address));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(guard), service);
  WEFT_CHECK(impl->listen(std::move(socket)));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace weft::node

// HttpServer: the OpenAI-compatible API, the dashboard and the metrics, on libmicrohttpd.
//
// A connection has a thread of its own, at most connections_max of them. A request's way: its Host,
// Origin and key are checked, then its path, then its body is read within limits, then http_api
// answers it. A streamed answer is pulled from the Service as the client reads it: a slow reader
// holds up itself alone, and at most one block of text waits for it here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "node/service.h"

namespace weft::node {

// What one client may take. Tests make the times shorter.
struct HttpLimits {
  size_t body_bytes_max = 8 * 1024 * 1024;
  size_t bodies_bytes_max = 32 * 1024 * 1024;  // of all requests being read
  size_t header_bytes_max = 32 * 1024;         // of one request; also the connection's buffer
  unsigned connections_max = 96;
  Duration header_within = seconds(15);        // also how long an idle connection is kept
  Duration body_gap_max = seconds(10);
  Duration body_within = seconds(60);
  Duration write_stall_max = seconds(30);      // then a slow reader is cut off
  Duration keep_alive_every = seconds(1);      // comments in a silent stream
  Duration stop_within = seconds(2);           // for open answers to end in order
};

struct HttpOptions {
  std::string address = "127.0.0.1:7070";
  // Needed for any address but loopback.
  std::optional<std::string> api_key;
  // Host names it answers to, besides localhost, 127.0.0.1, [::1] and the address it is reached at.
  std::vector<std::string> allowed_hosts;
  HttpLimits limits;
};

// Can a server start with these options, as far as they alone say? kInvalid and kDenied as start().
Result<> check_http_options(const HttpOptions& options);

class HttpServer {
 public:
  // Listens and answers at once. The service must outlive the server.
  // kInvalid: the address or a host is malformed; kDenied: not loopback and no key; kConflict: the
  // port is in use; kIo: the system refuses the address.
  static Result<std::unique_ptr<HttpServer>> start(HttpOptions options, Service& service);

  // Takes no more connections, ends open streams with an error event, waits for their threads.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The port it listens on: the one asked for, or the one the system chose for port 0.
  uint16_t port() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::node

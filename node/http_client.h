// HttpClient: what the commands of this machine ask of a node that runs: JSON by GET and POST, and
// streams of server-sent events. Plain HTTP, no proxy, no redirect: the node is near.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/result.h"

namespace weft::node {

inline constexpr size_t kResponseBytesMax = 64u << 20;
inline constexpr Duration kConnectTimeout = seconds(5);
inline constexpr Duration kReplyTimeout = seconds(15);       // of a whole reply that is no stream
inline constexpr Duration kStreamSilenceMax = seconds(120);  // between two pieces of a stream

struct HttpReply {
  int status = 0;
  std::string body;
};

class HttpClient {
 public:
  // address    "127.0.0.1:7070", "[::1]:7070" or "name:7070"; kInvalid otherwise
  // cancelled  looked at about ten times a second while a call waits; true ends it with kCancelled
  static Result<HttpClient> to(const std::string& address, std::function<bool()> cancelled = {});

  // The client of the node whose state is under `dir`: its address is the one line of
  // `dir`/http.addr, unless `address` is given. kUnavailable says to start `weft up`.
  static Result<HttpClient> to_node(const std::string& dir, const std::string& address,
                                    std::function<bool()> cancelled = {});

  const std::string& address() const { return address_; }
  // Sent with every request from now on, for a node that was started with --api-key-file.
  // kInvalid: empty, too long, or with characters that no header may hold.
  Result<> use_api_key(std::string_view key);
  // The key that a file holds, white space around it aside; an empty path changes nothing.
  Result<> use_api_key_file(const std::string& path);

  // The reply whatever its status. kUnavailable: nobody listens there; kTimeout; kCancelled;
  // kExhausted: over kResponseBytesMax. Each call waits; one thread at a time.
  Result<HttpReply> get(const std::string& path) const;
  Result<HttpReply> post(const std::string& path, const nlohmann::ordered_json& body) const;

  // The same for JSON: a status beyond 2xx is an Error with the node's own words, by `reply_error`.
  Result<nlohmann::ordered_json> get_json(const std::string& path) const;
  Result<nlohmann::ordered_json> post_json(const std::string& path,
                                           const nlohmann::ordered_json& body) const;

  // POSTs and calls on_data with each event's data as it comes, "[DONE]" among them, until the node
  // ends the stream. An error of on_data ends the request and is returned.
  Result<> post_events(const std::string& path, const nlohmann::ordered_json& body,
                       const std::function<Result<>(std::string_view data)>& on_data) const;

 private:
  struct Transfer;
  explicit HttpClient(std::string address) : address_(std::move(address)) {}
  Result<> perform(const std::string& path, const std::string* body, Transfer& transfer) const;

  std::string address_;
  std::string api_key_;
  std::function<bool()> cancelled_;
};

// What an answer beyond 2xx says, as an Error: the text under "error" in its body, else the status.
// For 401 it also says how to give the key.
Error reply_error(const HttpReply& reply);

}  // namespace weft::node

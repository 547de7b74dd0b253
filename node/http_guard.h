// Who may speak to the HTTP server: where it listens, which Host and Origin it accepts, and the API
// key. Pure functions and values; the server asks them before it reads a body.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"

namespace weft::node {

struct ListenAddress {
  std::string host;  // "127.0.0.1" or "::1", no brackets
  uint16_t port = 0;
  bool v6 = false;
  bool loopback = false;
  sockaddr_storage socket_address{};
  socklen_t socket_address_size = 0;
};
// "127.0.0.1:7070", "[::1]:7070", "localhost:7070". kInvalid says what is wrong.
Result<ListenAddress> parse_listen_address(std::string_view text);

// Where a program on this machine reaches a server that listens at `address`, once `port` is known:
// that address itself, or the loopback of its family for 0.0.0.0 and [::], which name no host.
std::string near_address(const ListenAddress& address, uint16_t port);

// The address of a socket as it stands in a Host header: "127.0.0.1", "[::1]". Empty if it is
// neither IPv4 nor IPv6.
std::string host_text(const sockaddr_storage& address);

// The host of a Host header or of an allow-list's entry, lowercase and without its port; nothing if
// it is malformed.
std::optional<std::string> host_name(std::string_view host);

class HttpGuard {
 public:
  // allowed_hosts: besides localhost, 127.0.0.1 and [::1]; kInvalid if one is malformed.
  static Result<HttpGuard> create(const std::vector<std::string>& allowed_hosts,
                                  const std::optional<std::string>& api_key);

  bool needs_key() const { return key_digest_.has_value(); }

  // A page of another site must not reach us through its visitor's browser: the Host must be one of
  // ours (else its name was re-bound to our address), and the Origin, where a browser sends one,
  // must be that same host. kInvalid without a Host, kDenied for a foreign one.
  //   local_host  the connection's own address, as host_text gives it
  Result<> check_host(const char* host, const char* origin, std::string_view local_host) const;

  // authorization: the header, "Bearer KEY". kDenied unless it holds the key. Takes the same time
  // wherever the key differs.
  Result<> check_key(const char* authorization) const;

 private:
  std::vector<std::string> allowed_;
  std::optional<Digest> key_digest_;  // the key itself is not kept
};

}  // namespace weft::node

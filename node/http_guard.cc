#include "node/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "crypto/hash.h"

namespace weft::node {
namespace {

constexpr size_t kHostBytesMax = 255;  // RFC 1035, section 2.3.4
constexpr std::string_view kBearer = "bearer ";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return out;
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool is_port(std::string_view text) {
  const auto port = parse_u64(text);
  return port.ok() && *port <= 65535;
}

Error bad_address(std::string_view text, std::string_view why) {
  return Error(ErrorCode::kInvalid,
               cat("the address '", printable(text), "' ", why, "; write it as 127.0.0.1:7070"));
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "has no port");
  const auto port = parse_u64(text.substr(colon + 1));
  if (!port.ok() || *port > 65535) return bad_address(text, "needs a port from 0 to 65535");
  std::string host(text.substr(0, colon));
  ListenAddress address;
  address.port = uint16_t(*port);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    address.host = host.substr(1, host.size() - 2);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.socket_address);
    if (inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr) != 1) {
      return bad_address(text, "is not an IPv6 address");
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    address.socket_address_size = sizeof *v6;
    address.v6 = true;
    address.loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    return address;
  }
  if (host == "localhost") host = "127.0.0.1";
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.socket_address);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) {
    return bad_address(text, "is not an IP address");
  }
  address.host = host;
  v4->sin_family = AF_INET;
  v4->sin_port = htons(address.port);
  address.socket_address_size = sizeof *v4;
  address.loopback = (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  return address;
}

std::string near_address(const ListenAddress& address, uint16_t port) {
  if (!address.v6) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address.socket_address);
    const bool any = v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return cat(any ? "127.0.0.1" : address.host, ":", port);
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.socket_address);
  return cat("[", IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) ? "::1" : address.host, "]:", port);
}

std::string host_text(const sockaddr_storage& address) {
  char buffer[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return inet_ntop(AF_INET, &v4.sin_addr, buffer, sizeof buffer) ? buffer : "";
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (!inet_ntop(AF_INET6, &v6.sin6_addr, buffer, sizeof buffer)) return "";
    return cat("[", buffer, "]");
  }
  return "";
}

std::optional<std::string> host_name(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return std::nullopt;
  if (host.front() == '[') {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = host.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return std::nullopt;
    const std::string address(host.substr(1, end - 1));
    in6_addr parsed;
    if (inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return std::nullopt;
    return lower(host.substr(0, end + 1));
  }
  const size_t colon = host.find(':');
  if (colon != std::string_view::npos && !is_port(host.substr(colon + 1))) return std::nullopt;
  const std::string name = lower(host.substr(0, colon));
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_host_character)) {
    return std::nullopt;
  }
  return name;
}

Result<HttpGuard> HttpGuard::create(const std::vector<std::string>& allowed_hosts,
                                    const std::optional<std::string>& api_key) {
  HttpGuard guard;
  guard.allowed_ = {"localhost", "127.0.0.1", "[::1]"};
  for (const std::string& host : allowed_hosts) {
    auto name = host_name(host);
    if (!name) {
      return Error(ErrorCode::kInvalid,
                   cat("'", printable(host), "' is not a host name that HTTP could allow"));
    }
    guard.allowed_.push_back(std::move(*name));
  }
  if (api_key) {
    if (api_key->empty()) return Error(ErrorCode::kInvalid, "the API key is empty");
    guard.key_digest_ = crypto::blake2b_256(as_bytes(*api_key));
  }
  return guard;
}

Result<> HttpGuard::check_host(const char* host, const char* origin,
                               std::string_view local_host) const {
  if (!host) return Error(ErrorCode::kInvalid, "the request has no Host header");
  const auto name = host_name(host);
  const bool ours = name && (std::find(allowed_.begin(), allowed_.end(), *name) != allowed_.end() ||
                             (!local_host.empty() && *name == local_host));
  if (!ours) {
    return Error(ErrorCode::kDenied,
                 "this Host is not served here; use localhost, or allow the name at the node");
  }
  if (!origin) return {};
  std::string from = lower(origin);
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (from.starts_with(scheme) && from.substr(scheme.size()) == lower(host)) return {};
  }
  return Error(ErrorCode::kDenied, "requests from pages of another origin are refused");
}

Result<> HttpGuard::check_key(const char* authorization) const {
  if (!key_digest_) return {};
  const std::string_view header = authorization ? authorization : "";
  const bool bearer =
      header.size() > kBearer.size() && lower(header.substr(0, kBearer.size())) == kBearer;
  const Digest given =
      crypto::blake2b_256(as_bytes(bearer ? trim(header.substr(kBearer.size())) : ""));
  uint8_t difference = bearer ? 0 : 1;
  for (size_t i = 0; i < given.bytes.size(); ++i) {
    difference = uint8_t(difference | (given.bytes[i] ^ key_digest_->bytes[i]));
  }
  if (difference == 0) return {};
  return Error(ErrorCode::kDenied,
               "this node needs its API key: send the header 'Authorization: Bearer KEY'");
}

}  // namespace weft::node

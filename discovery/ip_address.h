// Numeric addresses, as discovery needs them: an address, an address with its network's size, and
// an address with a port. No name is ever looked up here.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::discovery {

// IPv4 or IPv6. IPv4 uses the first four bytes, network order; the rest is zero.
struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};

  auto operator<=>(const IpAddress&) const = default;

  static IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
  // From 4 or 16 bytes in network order; asserted.
  static IpAddress from_bytes(ByteView raw);
  // "192.168.1.2" or "fe80::1", without a zone; kInvalid with the text quoted.
  static Result<IpAddress> parse(std::string_view text);

  ByteView view() const { return {bytes.data(), v6 ? size_t{16} : size_t{4}}; }
  std::string text() const;
  bool unspecified() const;
  bool loopback() const;    // 127.0.0.0/8, ::1
  bool multicast() const;   // 224.0.0.0/4, ff00::/8
  bool link_local() const;  // 169.254.0.0/16, fe80::/10
};

// An interface's own address, and how many leading bits name its network.
struct Prefix {
  IpAddress address;
  int bits = 0;

  bool operator==(const Prefix&) const = default;
  // True if `other` is of the same family and in the same network.
  bool contains(const IpAddress& other) const;
};

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

}  // namespace weft::discovery

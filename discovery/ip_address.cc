#include "discovery/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "base/assert.h"
#include "base/text.h"

namespace weft::discovery {

IpAddress IpAddress::v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  IpAddress address;
  address.bytes = {a, b, c, d};
  return address;
}

IpAddress IpAddress::from_bytes(ByteView raw) {
  WEFT_ASSERT(raw.size() == 4 || raw.size() == 16);
  IpAddress address;
  address.v6 = raw.size() == 16;
  std::copy(raw.begin(), raw.end(), address.bytes.begin());
  return address;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  address.v6 = true;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return Error(ErrorCode::kInvalid,
               cat("\"", printable(text), "\" is not a numeric IPv4 or IPv6 address"));
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
  return buffer;
}

bool IpAddress::unspecified() const {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::loopback() const {
  if (!v6) return bytes[0] == 127;
  return bytes[15] == 1 &&
         std::all_of(bytes.begin(), bytes.begin() + 15, [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::multicast() const {
  return v6 ? bytes[0] == 0xff : (bytes[0] & 0xf0) == 0xe0;
}

bool IpAddress::link_local() const {
  if (v6) return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
  return bytes[0] == 169 && bytes[1] == 254;
}

bool Prefix::contains(const IpAddress& other) const {
  if (other.v6 != address.v6) return false;
  WEFT_ASSERT(bits >= 0 && bits <= (address.v6 ? 128 : 32));
  for (int bit = 0; bit < bits; bit += 8) {
    const int kept = std::min(8, bits - bit);
    const auto mask = static_cast<uint8_t>(0xff << (8 - kept));
    const auto byte = static_cast<size_t>(bit / 8);
    if ((address.bytes[byte] & mask) != (other.bytes[byte] & mask)) return false;
  }
  return true;
}

}  // namespace weft::discovery

// Link: one network interface as discovery sees it, and the packets that cross it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "discovery/ip_address.h"

namespace weft::discovery {

inline constexpr size_t kLinksMax = 16;
inline constexpr size_t kLinkAddressesMax = 8;
inline constexpr uint16_t kMdnsPort = 5353;

struct Link {
  int index = 0;  // the kernel's interface index; survives a rename, never 0
  std::string name;
  bool loopback = false;
  std::vector<Prefix> addresses;  // sorted; at most kLinkAddressesMax

  bool operator==(const Link&) const = default;
  bool has(const IpAddress& address) const;
  // True if a packet from `source` can have started on this link: one of our own addresses there,
  // an address in one of its networks, or an IPv6 link-local one. Source: RFC 6762 section 11.
  bool on_link(const IpAddress& source) const;
  // True if a peer's claim "I am at `address`" is worth a connection attempt: on this link, one
  // host, and loopback only on a loopback link. A record is a hint from a stranger; without this
  // rule it could aim every node of a home at any address of the internet.
  bool worth_trying(const IpAddress& address) const;
};

// A packet to send on link `link`.
struct OutPacket {
  int link = 0;
  Bytes bytes;
  std::optional<Endpoint> to;  // nothing: to the multicast groups of the link
};

// Where a packet came from.
struct Arrival {
  int link = 0;
  Endpoint source;
  bool multicast = true;  // it was sent to the group, not to us alone
};

// The interfaces to use, by getifaddrs(3): those named, or, if `names` is empty, every one that is
// up, multicast-capable and not loopback. Those without an address are left out, as is what exceeds
// kLinksMax and kLinkAddressesMax. A named interface need not carry the multicast flag: `lo` does
// not, and works. kIo if the system refuses.
Result<std::vector<Link>> scan_links(std::span<const std::string> names);

// kNotFound if a name is no interface of this machine (up or not), with the names there are.
Result<> check_interface_names(std::span<const std::string> names);

}  // namespace weft::discovery

// DNS-SD on top of DNS: the shape of a service, its names, and its text record.
// Source: RFC 6763 sections 4 (names), 6 (TXT), 9 (meta query).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/dns_message.h"
#include "discovery/dns_name.h"

namespace weft::discovery {

inline constexpr size_t kOwnTxtBytesMax = 512;    // what we publish stays in one small packet
inline constexpr size_t kPeerTxtBytesMax = 1300;  // what we accept; RFC 6763 section 6.2
inline constexpr size_t kTxtPairsMax = 32;

using TxtMap = std::map<std::string, std::string>;

// What this node tells its neighbours. Everyone on the link can read it: no secrets.
struct ServiceAnnouncement {
  std::string instance;  // 1 to 63 bytes of UTF-8 without control characters, for people
  uint16_t port = 0;
  TxtMap txt;  // keys of printable ASCII without '='; "key=value" at most 255 bytes
};

// A neighbour's claim about itself. It is a hint where to knock, never a reason to trust: anyone on
// the link can claim anything, and keys come from the roster alone.
struct Service {
  std::string instance;                // UTF-8 without control characters
  std::string host;                    // "weft-kitchen.local"
  uint16_t port = 0;                   // never 0
  TxtMap txt;                          // keys in lower case; values are any bytes
  std::vector<std::string> addresses;  // numeric, at least one; IPv6 link-local with %interface
  std::string interface;               // where it was heard

  bool operator==(const Service&) const = default;
};

struct DiscoveryEvent {
  enum class Kind { kFound, kUpdated, kLost };
  Kind kind = Kind::kFound;
  Service service;  // for kLost: as it was last reported
};

// "_weft._tcp" -> "_weft._tcp.local"; kInvalid unless it is _name._tcp or _name._udp (RFC 6763 7).
Result<Name> service_type_name(std::string_view type);
// "_services._dns-sd._udp.local"
Name meta_query_name();
// "<label>.local"
Result<Name> local_host(std::string_view label);

// True for 1 to 63 bytes of UTF-8 without control characters.
bool valid_instance(std::string_view instance);
// kInvalid, with what is wrong and the limit.
Result<> check_announcement(const ServiceAnnouncement& announcement);
Result<> check_txt(const TxtMap& txt);

// "base", "base (2)", "base (3)", cut on a character boundary so that it fits in a label.
std::string numbered_instance(std::string_view base, int number);
// The host's label for an instance: "weft-" and its letters and digits in lower case, all else as
// '-', with the number at the end if it is not 1: "weft-kitchen-lamp-2".
std::string numbered_host(std::string_view base, int number);

// The strings of the record; one empty string for an empty map (RFC 6763 6.1).
Txt encode_txt(const TxtMap& txt);
// Keys in lower case, the first of each wins, strings without a key are skipped (RFC 6763 6.4).
// kExhausted above kPeerTxtBytesMax or kTxtPairsMax.
Result<TxtMap> decode_txt(const Txt& strings);

}  // namespace weft::discovery

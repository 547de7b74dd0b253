// PeerBook: where members may be reached, and whom to dial now. Addresses are hints from mDNS, from
// Hello messages, from seeds; the key that must answer comes from the roster alone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "transport/message.h"

namespace weft::node {

inline constexpr size_t kAddressesPerPeerMax = 8;
inline constexpr size_t kPeersMax = 256;
inline constexpr size_t kSeedsMax = 32;
// How long one address is tried before the next; libzmq itself reconnects meanwhile.
inline constexpr Duration kDialPatience = seconds(3);

class PeerBook {
 public:
  explicit PeerBook(std::vector<std::string> seeds);

  // A hint; a new one is tried first. Malformed addresses are ignored.
  void learn(NodeId node, const std::string& address);
  void forget(NodeId node);

  // An address to dial for a member that is not linked, or nothing: none is known, or the last one
  // still has time. Seeds are tried for members of whom nothing else works.
  std::optional<std::string> next_address(NodeId node, Time now);
  // The link works: the address that was dialled stays first.
  void on_up(NodeId node);
  void on_down(NodeId node, Time now);

  // For Hello: the address of each member that is linked.
  std::vector<transport::PeerAddress> known() const;

 private:
  struct Entry {
    std::vector<std::string> addresses;
    size_t next = 0;           // index in addresses, then in the seeds
    std::string dialled;
    bool up = false;
    Time patience_until{};
  };
  std::vector<std::string> seeds_;
  std::map<NodeId, Entry> entries_;
};

// "192.168.1.7:7071", "[fe80::1%eth0]:7071" or "kitchen.local:7071".
bool is_address(const std::string& text);
// "::1" needs brackets before a port, "10.0.0.1" none.
std::string join_address(const std::string& host, uint16_t port);

}  // namespace weft::node

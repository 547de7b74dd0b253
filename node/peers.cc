#include "node/peers.h"

#include <algorithm>

#include "base/text.h"

namespace weft::node {
namespace {

constexpr size_t kAddressBytesMax = 128;

}  // namespace

bool is_address(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || text.size() > kAddressBytesMax) return false;
  const auto port = parse_u64(std::string_view(text).substr(colon + 1));
  if (!port.ok() || *port == 0 || *port > 65535) return false;
  const std::string_view host = std::string_view(text).substr(0, colon);
  if (host.front() == '[') return host.back() == ']' && host.size() > 2;
  return host.find_first_not_of(
             "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-") ==
         std::string_view::npos;
}

std::string join_address(const std::string& host, uint16_t port) {
  return host.find(':') == std::string::npos ? cat(host, ":", port) : cat("[", host, "]:", port);
}

PeerBook::PeerBook(std::vector<std::string> seeds) : seeds_(std::move(seeds)) {
  if (seeds_.size() > kSeedsMax) seeds_.resize(kSeedsMax);
}

void PeerBook::learn(NodeId node, const std::string& address) {
  if (!is_address(address)) return;
  if (!entries_.contains(node) && entries_.size() >= kPeersMax) return;
  Entry& entry = entries_[node];
  const auto known = std::find(entry.addresses.begin(), entry.addresses.end(), address);
  if (known != entry.addresses.end()) return;
  entry.addresses.insert(entry.addresses.begin(), address);
  if (entry.addresses.size() > kAddressesPerPeerMax) entry.addresses.pop_back();
  entry.next = 0;
  if (!entry.up && entry.dialled.empty()) entry.patience_until = {};
}

void PeerBook::forget(NodeId node) { entries_.erase(node); }

std::optional<std::string> PeerBook::next_address(NodeId node, Time now) {
  if (!entries_.contains(node) && entries_.size() >= kPeersMax) return std::nullopt;
  Entry& entry = entries_[node];
  const size_t choices = entry.addresses.size() + seeds_.size();
  if (entry.up || now < entry.patience_until || choices == 0) return std::nullopt;
  const size_t index = entry.next++ % choices;
  entry.dialled = index < entry.addresses.size() ? entry.addresses[index]
                                                 : seeds_[index - entry.addresses.size()];
  entry.patience_until = now + kDialPatience;
  return entry.dialled;
}

void PeerBook::on_up(NodeId node) { entries_[node].up = true; }

void PeerBook::on_down(NodeId node, Time now) {
  Entry& entry = entries_[node];
  entry.up = false;
  entry.patience_until = now + kDialPatience;
}

std::vector<transport::PeerAddress> PeerBook::known() const {
  std::vector<transport::PeerAddress> known;
  for (const auto& [node, entry] : entries_) {
    if (entry.up && known.size() < transport::kAddressesMax) known.push_back({node, entry.dialled});
  }
  return known;
}

}  // namespace weft::node

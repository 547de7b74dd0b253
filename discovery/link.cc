#include "discovery/link.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>

#include "base/file.h"
#include "base/text.h"

namespace weft::discovery {
namespace {

struct FreeIfaddrs {
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

Result<std::unique_ptr<ifaddrs, FreeIfaddrs>> list_interfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return system_error("list", "network interfaces", errno);
  return std::unique_ptr<ifaddrs, FreeIfaddrs>(list);
}

std::optional<IpAddress> address_of(const sockaddr* socket_address) {
  if (!socket_address) return std::nullopt;
  if (socket_address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, socket_address, sizeof in);
    return IpAddress::from_bytes(
        {reinterpret_cast<const uint8_t*>(&in.sin_addr), sizeof in.sin_addr});
  }
  if (socket_address->sa_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, socket_address, sizeof in6);
    return IpAddress::from_bytes(
        {reinterpret_cast<const uint8_t*>(&in6.sin6_addr), sizeof in6.sin6_addr});
  }
  return std::nullopt;
}

int mask_bits(const IpAddress& mask) {
  int bits = 0;
  for (const uint8_t byte : mask.view()) bits += std::popcount(byte);
  return bits;
}

bool wanted(const ifaddrs& entry, std::span<const std::string> names) {
  if ((entry.ifa_flags & IFF_UP) == 0) return false;
  if (names.empty()) {
    return (entry.ifa_flags & IFF_MULTICAST) != 0 && (entry.ifa_flags & IFF_LOOPBACK) == 0;
  }
  return std::find(names.begin(), names.end(), entry.ifa_name) != names.end();
}

}  // namespace

bool Link::has(const IpAddress& address) const {
  return std::any_of(addresses.begin(), addresses.end(),
                     [&](const Prefix& own) { return own.address == address; });
}

bool Link::on_link(const IpAddress& source) const {
  if (source.v6 && source.link_local()) return true;
  return std::any_of(addresses.begin(), addresses.end(),
                     [&](const Prefix& own) { return own.contains(source); });
}

bool Link::worth_trying(const IpAddress& address) const {
  if (address.unspecified() || address.multicast()) return false;
  if (address.loopback() != loopback) return false;
  if (!address.v6 && address == IpAddress::v4(255, 255, 255, 255)) return false;
  return on_link(address);
}

Result<std::vector<Link>> scan_links(std::span<const std::string> names) {
  WEFT_TRY(const auto list, list_interfaces());
  std::map<int, Link> found;
  for (const ifaddrs* entry = list.get(); entry; entry = entry->ifa_next) {
    if (!wanted(*entry, names)) continue;
    const auto address = address_of(entry->ifa_addr);
    const auto mask = address_of(entry->ifa_netmask);
    const int index = static_cast<int>(if_nametoindex(entry->ifa_name));
    if (!address || !mask || index == 0) continue;
    if (!found.contains(index) && found.size() == kLinksMax) continue;
    Link& link = found[index];
    link.index = index;
    link.name = entry->ifa_name;
    link.loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    if (link.addresses.size() < kLinkAddressesMax) {
      link.addresses.push_back({*address, mask_bits(*mask)});
    }
  }
  std::vector<Link> links;
  for (auto& [index, link] : found) {
    std::sort(link.addresses.begin(), link.addresses.end(),
              [](const Prefix& a, const Prefix& b) { return a.address < b.address; });
    links.push_back(std::move(link));
  }
  return links;
}

Result<> check_interface_names(std::span<const std::string> names) {
  WEFT_TRY(const auto list, list_interfaces());
  std::vector<std::string> there;
  for (const ifaddrs* entry = list.get(); entry; entry = entry->ifa_next) {
    if (std::find(there.begin(), there.end(), entry->ifa_name) == there.end()) {
      there.emplace_back(entry->ifa_name);
    }
  }
  for (const std::string& name : names) {
    if (std::find(there.begin(), there.end(), name) != there.end()) continue;
    std::string known;
    for (const std::string& other : there) known += (known.empty() ? "" : ", ") + other;
    return Error(ErrorCode::kNotFound, cat("this machine has no network interface \"",
                                           printable(name), "\"; it has: ", known));
  }
  return {};
}

}  // namespace weft::discovery

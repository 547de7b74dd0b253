#include "discovery/multicast_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29  // linux/in6.h, since Linux 4.20; older C libraries do not name it
#endif

namespace weft::discovery {
namespace {

constexpr int kHops = 255;  // RFC 6762 section 11
constexpr int kReadsPerCallMax = 64;
constexpr uint8_t kGroupV4[4] = {224, 0, 0, 251};
constexpr uint8_t kGroupV6[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb};

struct Option {
  int level;
  int name;
  const void* value;
  socklen_t size;
};

Result<> set_options(int fd, const std::string& link, std::span<const Option> options) {
  for (const Option& option : options) {
    if (setsockopt(fd, option.level, option.name, option.value, option.size) != 0) {
      return system_error("set a multicast option on interface", link, errno);
    }
  }
  return {};
}

// Without *_MULTICAST_ALL = 0, a socket would get the packets of groups that another socket joined
// on another interface.
Result<> join_v4(int fd, const Link& link, const IpAddress& own) {
  const int on = 1;
  const int off = 0;
  ip_mreqn membership{};
  std::memcpy(&membership.imr_multiaddr, kGroupV4, sizeof kGroupV4);
  std::memcpy(&membership.imr_address, own.bytes.data(), 4);
  membership.imr_ifindex = link.index;
  const Option options[] = {
      {IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off},
      {IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership},
      {IPPROTO_IP, IP_MULTICAST_IF, &membership, sizeof membership},  // also the source address
      {IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof on},
      {IPPROTO_IP, IP_MULTICAST_TTL, &kHops, sizeof kHops},
      {IPPROTO_IP, IP_TTL, &kHops, sizeof kHops},
      {IPPROTO_IP, IP_PKTINFO, &on, sizeof on},
  };
  return set_options(fd, link.name, options);
}

Result<> join_v6(int fd, const Link& link) {
  const int on = 1;
  const int off = 0;
  ipv6_mreq membership{};
  std::memcpy(&membership.ipv6mr_multiaddr, kGroupV6, sizeof kGroupV6);
  membership.ipv6mr_interface = static_cast<unsigned>(link.index);
  const Option options[] = {
      {IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof off},
      {IPPROTO_IPV6, IPV6_JOIN_GROUP, &membership, sizeof membership},
      {IPPROTO_IPV6, IPV6_MULTICAST_IF, &link.index, sizeof link.index},
      {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &on, sizeof on},
      {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &kHops, sizeof kHops},
      {IPPROTO_IPV6, IPV6_UNICAST_HOPS, &kHops, sizeof kHops},
      {IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on},
  };
  return set_options(fd, link.name, options);
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress socket_address(const Endpoint& endpoint, int link) {
  SocketAddress result;
  if (!endpoint.address.v6) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.address.bytes.data(), 4);
    std::memcpy(&result.storage, &in, sizeof in);
    result.size = sizeof in;
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(endpoint.port);
    std::memcpy(&in6.sin6_addr, endpoint.address.bytes.data(), 16);
    const bool scoped = endpoint.address.link_local() || endpoint.address.multicast();
    if (scoped) in6.sin6_scope_id = static_cast<uint32_t>(link);
    std::memcpy(&result.storage, &in6, sizeof in6);
    result.size = sizeof in6;
  }
  return result;
}

Endpoint endpoint_of(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, &storage, sizeof in6);
    return {IpAddress::from_bytes({reinterpret_cast<const uint8_t*>(&in6.sin6_addr), 16}),
            ntohs(in6.sin6_port)};
  }
  sockaddr_in in;
  std::memcpy(&in, &storage, sizeof in);
  return {IpAddress::from_bytes({reinterpret_cast<const uint8_t*>(&in.sin_addr), 4}),
          ntohs(in.sin_port)};
}

// The interface a packet arrived on, and whether it was sent to a group, from its control data.
void read_packet_info(msghdr& header, Arrival& arrival) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      arrival.link = info.ipi_ifindex;
      arrival.multicast = IN_MULTICAST(ntohl(info.ipi_addr.s_addr));
    }
    if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      arrival.link = static_cast<int>(info.ipi6_ifindex);
      arrival.multicast = IN6_IS_ADDR_MULTICAST(&info.ipi6_addr);
    }
  }
}

}  // namespace

Result<MulticastSocket> MulticastSocket::open(const Link& link, Family family) {
  const bool v6 = family == Family::kV6;
  const auto own = std::find_if(link.addresses.begin(), link.addresses.end(), [&](const Prefix& p) {
    return p.address.v6 == v6 && (!v6 || p.address.link_local());
  });
  if (own == link.addresses.end()) {
    return Error(ErrorCode::kUnsupported, cat("interface ", link.name, " has no ",
                                              v6 ? "IPv6 link-local" : "IPv4", " address"));
  }
  FileDescriptor fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return system_error("open a UDP socket for interface", link.name, errno);
  const int on = 1;
  const Option sharing[] = {{SOL_SOCKET, SO_REUSEADDR, &on, sizeof on},
                            {SOL_SOCKET, SO_REUSEPORT, &on, sizeof on}};
  WEFT_CHECK(set_options(fd.get(), link.name, sharing));
  if (v6) {
    const Option only = {IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on};
    WEFT_CHECK(set_options(fd.get(), link.name, {&only, 1}));
  }
  // Bound to any address, not to the group: unicast questions and answers come here too.
  Endpoint any{{}, kMdnsPort};
  any.address.v6 = v6;
  const SocketAddress bound = socket_address(any, link.index);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&bound.storage), bound.size) != 0) {
    if (errno != EADDRINUSE) return system_error("bind UDP port 5353 for", link.name, errno);
    return Error(ErrorCode::kConflict,
                 "UDP port 5353 is held by a program that does not share it; stop that program, or "
                 "name the other nodes with --seed-peer");
  }
  WEFT_CHECK(v6 ? join_v6(fd.get(), link) : join_v4(fd.get(), link, own->address));
  return MulticastSocket(std::move(fd), family, link.index);
}

Result<std::optional<Datagram>> MulticastSocket::receive(std::span<uint8_t> buffer) {
  for (int reads = 0; reads < kReadsPerCallMax; ++reads) {
    sockaddr_storage source{};
    iovec piece{buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[256];
    msghdr header{};
    header.msg_name = &source;
    header.msg_namelen = sizeof source;
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(fd_.get(), &header, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::optional<Datagram>();
    if (size < 0 && errno == EINTR) continue;
    // ICMP errors of earlier unicast answers are told here; they say nothing about this socket.
    if (size < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)) {
      continue;
    }
    if (size < 0) return system_error("receive on", "the mDNS socket", errno);
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) continue;
    Datagram datagram{{buffer.data(), static_cast<size_t>(size)}, {}};
    datagram.arrival.source = endpoint_of(source);
    read_packet_info(header, datagram.arrival);
    return std::optional(datagram);
  }
  return std::optional<Datagram>();
}

Result<> MulticastSocket::send(ByteView bytes, const std::optional<Endpoint>& to) {
  const bool v6 = family_ == Family::kV6;
  Endpoint target{IpAddress::from_bytes(v6 ? ByteView(kGroupV6) : ByteView(kGroupV4)), kMdnsPort};
  if (to) target = *to;
  WEFT_ASSERT(target.address.v6 == v6);
  const SocketAddress address = socket_address(target, link_);
  const ssize_t sent = sendto(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address.storage), address.size);
  if (sent >= 0) return {};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
    return Error(ErrorCode::kExhausted, "the system's send buffer is full");
  }
  return system_error("send to", target.address.text(), errno);
}

}  // namespace weft::discovery

// MulticastSocket: one UDP socket on port 5353 for one interface and one family, in the mDNS group.
// The only place that opens multicast sockets.
//
// The port is shared: Avahi or another weft on the same machine may hold it too, and each gets
// every multicast packet. Packets are looped back, so that nodes on one machine hear one another.
// The interface is chosen by its index, so it works on `lo` as well, which has no multicast route.
#pragma once

#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "discovery/ip_address.h"
#include "discovery/link.h"

namespace weft::discovery {

enum class Family { kV4, kV6 };

struct Datagram {
  ByteView bytes;  // in the caller's buffer
  Arrival arrival;
};

class MulticastSocket {
 public:
  // kUnsupported if the link has no address of that family (IPv6: no link-local one), else kIo or
  // kConflict with the system's reason.
  static Result<MulticastSocket> open(const Link& link, Family family);

  int fd() const { return fd_.get(); }
  Family family() const { return family_; }
  int link() const { return link_; }

  // The next datagram that is waiting, into `buffer`; nothing if none is. Datagrams larger than the
  // buffer are dropped. Never blocks. kIo if the socket failed.
  Result<std::optional<Datagram>> receive(std::span<uint8_t> buffer);
  // To the group, or to `to`, which must be of this family. Never blocks; kExhausted if the
  // system's buffer is full.
  Result<> send(ByteView bytes, const std::optional<Endpoint>& to);

 private:
  MulticastSocket(FileDescriptor fd, Family family, int link)
      : fd_(std::move(fd)), family_(family), link_(link) {}

  FileDescriptor fd_;
  Family family_;
  int link_;
};

}  // namespace weft::discovery

#include "discovery/mdns.h"

#include <algorithm>
#include <array>
#include <random>

#include "base/log.h"

namespace weft::discovery {

Result<std::unique_ptr<Mdns>> Mdns::open(MdnsOptions options, Time now) {
  WEFT_TRY(Name service_type, service_type_name(options.service_type));
  WEFT_CHECK(check_interface_names(options.interfaces));
  // Only spreads delays between nodes; nothing secret hangs on it.
  std::random_device device;
  const uint64_t seed = uint64_t{device()} << 32 | device();
  std::unique_ptr<Mdns> mdns(new Mdns(std::move(options), std::move(service_type), seed));
  WEFT_CHECK(mdns->rescan(now));
  if (mdns->links().empty()) log_warn("mdns.no_interface");
  return mdns;
}

Result<> Mdns::publish(const ServiceAnnouncement& announcement, Time now) {
  return engine_.publish(announcement, now);
}

Result<> Mdns::update_txt(const TxtMap& txt, Time now) {
  return engine_.set_txt(txt, now);
}

void Mdns::withdraw(Time now) {
  engine_.withdraw(now);
  flush(now);
}

void Mdns::browse(Time now) {
  engine_.browse(now);
}

std::vector<int> Mdns::fds() const {
  std::vector<int> fds;
  for (const MulticastSocket& socket : sockets_) fds.push_back(socket.fd());
  return fds;
}

std::string Mdns::instance() const {
  const auto& name = engine_.responder().instance();
  return name ? std::string(name->first_label()) : "";
}

Result<> Mdns::open_sockets(const Link& link) {
  Result<> last = Error(ErrorCode::kUnsupported, cat("interface ", link.name, " has no address"));
  bool opened = false;
  for (const Family family : {Family::kV4, Family::kV6}) {
    auto socket = MulticastSocket::open(link, family);
    if (socket.ok()) {
      sockets_.push_back(*std::move(socket));
      opened = true;
    } else if (socket.error().code != ErrorCode::kUnsupported) {
      last = std::move(socket).error();
      log_warn("mdns.socket_failed", {{"interface", link.name}, {"reason", last.error().message}});
    }
  }
  if (opened) return {};
  return last;
}

Result<> Mdns::rescan(Time now) {
  rescan_at_ = now + kRescanInterval;
  WEFT_TRY(const std::vector<Link> found, scan_links(options_.interfaces));
  if (found == links()) return {};
  const std::vector<Link> before = links();
  const auto same = [](const std::vector<Link>& links, int index) {
    return std::find_if(links.begin(), links.end(),
                        [&](const Link& link) { return link.index == index; });
  };
  std::erase_if(sockets_, [&](const MulticastSocket& socket) {
    const auto old_link = same(before, socket.link());
    const auto new_link = same(found, socket.link());
    return new_link == found.end() || *old_link != *new_link;
  });
  std::vector<Link> usable;
  Result<> last;
  for (const Link& link : found) {
    const auto old_link = same(before, link.index);
    const bool kept = old_link != before.end() && *old_link == link;
    auto opened = kept ? Result<>() : open_sockets(link);
    if (opened.ok()) {
      usable.push_back(link);
      if (!kept) log_info("mdns.interface", {{"name", link.name}});
    } else {
      last = std::move(opened);
    }
  }
  engine_.set_links(usable, now);
  if (usable.empty() && !last.ok() && last.error().code != ErrorCode::kUnsupported) return last;
  return {};
}

void Mdns::on_readable(Time now) {
  std::array<uint8_t, kMessageBytesMax> buffer;
  for (MulticastSocket& socket : sockets_) {
    for (int count = 0; count < kDatagramsPerCallMax; ++count) {
      auto datagram = socket.receive(buffer);
      if (!datagram.ok()) {
        log_debug("mdns.receive_failed", {{"reason", datagram.error().message}});
        rescan_at_ = now;
        break;
      }
      if (!*datagram) break;
      engine_.on_datagram((*datagram)->bytes, (*datagram)->arrival, now);
    }
  }
  flush(now);
}

Time Mdns::tick(Time now) {
  if (now >= rescan_at_) {
    const auto scanned = rescan(now);
    if (!scanned.ok()) log_warn("mdns.rescan_failed", {{"reason", scanned.error().message}});
  }
  const Time deadline = engine_.tick(now);
  flush(now);
  return std::min(deadline, rescan_at_);
}

// A packet that cannot be sent is lost, as on the wire; every exchange of mDNS is repeated.
void Mdns::flush(Time now) {
  for (const OutPacket& packet : engine_.take_packets(now)) {
    for (MulticastSocket& socket : sockets_) {
      const bool v6 = socket.family() == Family::kV6;
      if (socket.link() != packet.link || (packet.to && packet.to->address.v6 != v6)) continue;
      const auto sent = socket.send(packet.bytes, packet.to);
      if (!sent.ok()) log_debug("mdns.send_failed", {{"reason", sent.error().message}});
    }
  }
}

}  // namespace weft::discovery

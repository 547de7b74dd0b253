#include "discovery/engine.h"

#include <algorithm>

namespace weft::discovery {
namespace {

constexpr size_t kSentMax = 256;
constexpr Duration kEchoMax = seconds(2);  // an echo that took longer is read as a stranger's

// FNV-1a, 64 bit. It only tells our own echoes apart, which nobody gains from forging.
uint64_t digest_of(ByteView bytes) {
  uint64_t digest = 14695981039346656037ull;
  for (const uint8_t byte : bytes) digest = (digest ^ byte) * 1099511628211ull;
  return digest;
}

}  // namespace

Engine::Engine(Name service_type, uint64_t seed)
    : responder_(service_type, seed), browser_(service_type, seed + 1) {}

Result<> Engine::publish(const ServiceAnnouncement& announcement, Time now) {
  WEFT_CHECK(responder_.publish(announcement, now));
  tell_browser(now);
  return {};
}

void Engine::withdraw(Time now) {
  responder_.withdraw();
  tell_browser(now);
}

void Engine::set_links(std::vector<Link> links, Time now) {
  links_ = std::move(links);
  responder_.set_links(links_, now);
  browser_.set_links(links_, now);
}

void Engine::tell_browser(Time now) {
  browser_.set_own(responder_.instance(), responder_.port(), now);
}

// Each packet we multicast comes back once per link and family. Only as many are taken as were
// sent: another node on this machine may ask the very same question.
bool Engine::take_own_echo(ByteView datagram, const Arrival& arrival, Time now) {
  const bool from_us = std::any_of(links_.begin(), links_.end(), [&](const Link& link) {
    return link.has(arrival.source.address);
  });
  if (!from_us) return false;
  const uint64_t digest = digest_of(datagram);
  const auto echo = std::find_if(sent_.begin(), sent_.end(), [&](const Sent& sent) {
    return sent.digest == digest && sent.link == arrival.link &&
           sent.v6 == arrival.source.address.v6 && now - sent.at <= kEchoMax;
  });
  if (echo == sent_.end()) return false;
  sent_.erase(echo);
  return true;
}

void Engine::on_datagram(ByteView datagram, const Arrival& arrival, Time now) {
  counters_.received += 1;
  const auto link = std::find_if(links_.begin(), links_.end(), [&](const Link& candidate) {
    return candidate.index == arrival.link;
  });
  if (link == links_.end()) return;
  if (take_own_echo(datagram, arrival, now)) {
    counters_.own += 1;
    return;
  }
  if (!link->on_link(arrival.source.address)) {
    counters_.off_link += 1;
    return;
  }
  if (!limiter_.admit(arrival.link, arrival.source.address, now)) {
    counters_.limited += 1;
    return;
  }
  const auto message = parse_message(datagram);
  if (!message.ok() || message->opcode != 0 || message->rcode != 0 ||
      (message->response && arrival.source.port != kMdnsPort)) {
    counters_.malformed += 1;
    return;
  }
  responder_.on_message(*message, arrival, now);
  tell_browser(now);
  browser_.on_message(*message, arrival, now);
}

Time Engine::tick(Time now) {
  return std::min(responder_.tick(now), browser_.tick(now));
}

std::vector<OutPacket> Engine::take_packets(Time now) {
  std::vector<OutPacket> packets = responder_.take_packets();
  for (OutPacket& packet : browser_.take_packets()) packets.push_back(std::move(packet));
  counters_.sent += packets.size();
  for (const OutPacket& packet : packets) {
    if (packet.to) continue;
    for (const bool v6 : {false, true}) {
      sent_.push_back({packet.link, v6, digest_of(packet.bytes), now});
    }
  }
  while (sent_.size() > kSentMax) sent_.pop_front();
  return packets;
}

}  // namespace weft::discovery

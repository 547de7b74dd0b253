#include "mesh/links.h"

#include <algorithm>

#include "mesh/limits.h"

namespace weft::mesh {
namespace {

// A sample above the estimate (a queue, a busy peer) moves it by this share; one below replaces it:
// the least round trip is the link's own.
constexpr double kUpwards = 0.05;
constexpr double kShortestTransferS = 1e-6;

}  // namespace

void Links::on_up(NodeId peer, Time now) {
  State& link = links_[peer] = {};
  link.next_ping = link.next_bandwidth = now;
}

void Links::launch(NodeId peer, State& link, size_t bytes, Time now) {
  link.flight = Flight{next_number_++, now, bytes};
  outbox_.send(
      peer, transport::LinkProbe{link.flight->number, false, SharedBytes::adopt(Bytes(bytes, 0))});
}

void Links::on_probe(NodeId from, const transport::LinkProbe& probe, Time now) {
  if (!probe.reply) {
    if (probe.payload.size() > kBandwidthBytes) return;
    outbox_.send(from, transport::LinkProbe{probe.number, true, probe.payload});
    return;
  }
  const auto it = links_.find(from);
  if (it == links_.end()) return;
  State& link = it->second;
  if (!link.flight || link.flight->number != probe.number) return;  // late, or never ours
  if (link.flight->bytes != probe.payload.size()) return;
  const double seconds_taken = to_seconds(now - link.flight->sent);
  const bool block = link.flight->bytes == kBandwidthBytes;
  link.flight.reset();
  if (block) {
    const double transfer = std::max(seconds_taken - link.round_trip_s, kShortestTransferS);
    const double sample = 2.0 * kBandwidthBytes / transfer;  // there and back
    link.bytes_per_s = link.bytes_per_s == 0 ? sample : (link.bytes_per_s + sample) / 2;
  } else if (link.round_trip_s == 0 || seconds_taken < link.round_trip_s) {
    link.round_trip_s = std::max(seconds_taken, kShortestTransferS);
  } else {
    link.round_trip_s += kUpwards * (seconds_taken - link.round_trip_s);
  }
}

void Links::tick(bool idle, Time now) {
  for (auto& [peer, link] : links_) {
    if (now < link.next_ping) continue;
    if (link.flight && now - link.flight->sent < kPingEvery) continue;  // it may still come back
    // The ping's echo comes first, so that the block's time can be split into way and transfer.
    if (link.round_trip_s > 0 && now >= link.next_bandwidth && (idle || link.bytes_per_s == 0)) {
      link.next_bandwidth = now + kBandwidthEvery;
      launch(peer, link, kBandwidthBytes, now);
    } else {
      launch(peer, link, kPingBytes, now);
    }
    // The first block follows the first ping at the next tick.
    const bool first = link.round_trip_s == 0;
    link.next_ping = now + (first ? kPingEvery / 10 : kPingEvery);
  }
}

std::vector<transport::LinkMeasure> Links::measures() const {
  std::vector<transport::LinkMeasure> list;
  for (const auto& [peer, link] : links_) {
    if (link.round_trip_s > 0) list.push_back({peer, link.round_trip_s, link.bytes_per_s});
  }
  return list;
}

}  // namespace weft::mesh

// VirtualLan: engines that hear one another on one link, on a clock that only the test moves.
#pragma once

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "discovery/engine.h"

namespace weft::discovery::test {

inline Name name_of(std::string_view dotted) {
  return Name::from_text(dotted).value();
}
inline Name weft_type() {
  return name_of("_weft._tcp.local");
}
inline constexpr Time kStart{1'000'000'000'000};

// The link "lan0" (index 7) of the machine 192.168.1.<host>/24.
inline Link lan_link(uint8_t host) {
  return {7, "lan0", false, {{IpAddress::v4(192, 168, 1, host), 24}}};
}
inline Arrival from(uint8_t host, uint16_t port = kMdnsPort) {
  return {7, {IpAddress::v4(192, 168, 1, host), port}, true};
}

class VirtualLan {
 public:
  struct Node {
    uint8_t host;
    std::unique_ptr<Engine> engine;
    std::vector<DiscoveryEvent> events;
    bool deaf = false;  // neither hears nor is heard
  };

  explicit VirtualLan(uint64_t seed) : seed_(seed) {}

  Node& add(uint8_t host) {
    nodes_.push_back(std::make_unique<Node>());
    Node& node = *nodes_.back();
    node.host = host;
    node.engine = std::make_unique<Engine>(weft_type(), seed_ + 10 * host);
    node.engine->set_links({lan_link(host)}, now_);
    return node;
  }

  // Every packet reaches every node, the sender too, as multicast loops back. An invented packet
  // comes from `host` as well.
  void send(uint8_t host, ByteView bytes, uint16_t port = kMdnsPort) {
    for (auto& node : nodes_) {
      if (!node->deaf) node->engine->on_datagram(bytes, from(host, port), now_);
    }
  }

  // Lets `span` pass in steps.
  void run(Duration span, Duration step = milliseconds(10)) {
    const Time end = now_ + span;
    while (now_ < end) {
      now_ = now_ + step;
      for (size_t i = 0; i < nodes_.size(); ++i) nodes_[i]->engine->tick(now_);
      for (auto& node : nodes_) {
        for (const OutPacket& packet : node->engine->take_packets(now_)) {
          packet_count_ += 1;
          if (!node->deaf) send(node->host, packet.bytes);
        }
      }
      for (auto& node : nodes_) {
        for (auto& event : node->engine->take_events()) node->events.push_back(std::move(event));
      }
    }
  }

  Time now() const { return now_; }
  size_t packet_count() const { return packet_count_; }

 private:
  uint64_t seed_;
  Time now_ = kStart;
  std::vector<std::unique_ptr<Node>> nodes_;
  size_t packet_count_ = 0;
};

// The instances found and not lost, by their events.
inline std::set<std::string> present(const VirtualLan::Node& node) {
  std::set<std::string> names;
  for (const DiscoveryEvent& event : node.events) {
    if (event.kind == DiscoveryEvent::Kind::kLost) {
      names.erase(event.service.instance);
    } else {
      names.insert(event.service.instance);
    }
  }
  return names;
}

// A whole, believable announcement of one service, as a peer or an attacker would send it.
inline Message announcement_of(const std::string& instance, uint8_t host, uint16_t port,
                               const TxtMap& txt, uint32_t ttl_s = 120) {
  const Name name = weft_type().child(instance).value();
  const Name target = local_host(numbered_host(instance, 1)).value();
  Message message;
  message.response = true;
  message.answers = {
      {weft_type(), RecordType::kPtr, kClassIn, false, ttl_s, name},
      {name, RecordType::kSrv, kClassIn, true, ttl_s, Srv{0, 0, port, target}},
      {name, RecordType::kTxt, kClassIn, true, ttl_s, encode_txt(txt)},
      {target, RecordType::kA, kClassIn, true, ttl_s, IpAddress::v4(192, 168, 1, host)}};
  return message;
}

}  // namespace weft::discovery::test

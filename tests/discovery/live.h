// Running real Mdns instances in a test, as the node's mesh thread does.
#pragma once

#include <poll.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "discovery/mdns.h"

namespace weft::discovery::test {

inline constexpr Duration kPatience = seconds(20);

// Polls both until `done` or patience ends; true if done.
inline bool run_until(std::vector<Mdns*> nodes, const std::function<bool()>& done) {
  const SystemClock clock;
  const Time end = clock.now() + kPatience;
  while (clock.now() < end) {
    Time deadline = clock.now() + milliseconds(200);
    std::vector<pollfd> polled;
    for (Mdns* node : nodes) {
      deadline = std::min(deadline, node->tick(clock.now()));
      for (const int fd : node->fds()) polled.push_back({fd, POLLIN, 0});
    }
    const auto wait_ms = std::max<int64_t>(0, (deadline - clock.now()).count() / 1'000'000);
    poll(polled.data(), polled.size(), static_cast<int>(wait_ms) + 1);
    for (Mdns* node : nodes) node->on_readable(clock.now());
    if (done()) return true;
  }
  return false;
}

// Gathers events; true once one of `kind` came for `instance`.
class Watcher {
 public:
  explicit Watcher(Mdns& mdns) : mdns_(mdns) {}
  bool saw(DiscoveryEvent::Kind kind, const std::string& instance) {
    for (auto& event : mdns_.take_events()) events_.push_back(std::move(event));
    for (const auto& event : events_) {
      if (event.kind == kind && event.service.instance == instance) {
        last_ = event.service;
        return true;
      }
    }
    return false;
  }
  const Service& last() const { return last_; }

 private:
  Mdns& mdns_;
  std::vector<DiscoveryEvent> events_;
  Service last_;
};

}  // namespace weft::discovery::test

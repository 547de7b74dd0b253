// Engine: all of mDNS but the sockets. Datagrams and times go in, packets and events come out.
//
// A datagram passes in this order: its link is one of ours; it is not our own, looped back; its
// source is on the link (RFC 6762 11: nothing from beyond a router is heard) and within its limits;
// it parses; its codes are zero; a response comes from port 5353. Then the responder sees it, and
// the browser.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "base/clock.h"
#include "discovery/browser.h"
#include "discovery/responder.h"
#include "discovery/source_limiter.h"

namespace weft::discovery {

// What was dropped, and why, since the start. For the node's metrics.
struct EngineCounters {
  uint64_t received = 0;
  uint64_t own = 0;
  uint64_t limited = 0;
  uint64_t off_link = 0;
  uint64_t malformed = 0;
  uint64_t sent = 0;
};

class Engine {
 public:
  // The seed draws the delays that keep nodes from speaking at once.
  Engine(Name service_type, uint64_t seed);

  Result<> publish(const ServiceAnnouncement& announcement, Time now);
  Result<> set_txt(const TxtMap& txt, Time now) { return responder_.set_txt(txt, now); }
  void withdraw(Time now);
  void browse(Time now) { browser_.start(now); }

  void set_links(std::vector<Link> links, Time now);
  const std::vector<Link>& links() const { return links_; }

  void on_datagram(ByteView datagram, const Arrival& arrival, Time now);
  // Returns when to call again at the latest; kNever if nothing is planned.
  Time tick(Time now);
  // What to send now, each over every family its link has.
  std::vector<OutPacket> take_packets(Time now);
  std::vector<DiscoveryEvent> take_events() { return browser_.take_events(); }

  const Responder& responder() const { return responder_; }
  const Browser& browser() const { return browser_; }
  const EngineCounters& counters() const { return counters_; }

 private:
  struct Sent {
    int link;
    bool v6;
    uint64_t digest;
    Time at;
  };

  bool take_own_echo(ByteView datagram, const Arrival& arrival, Time now);
  void tell_browser(Time now);

  Responder responder_;
  Browser browser_;
  SourceLimiter limiter_;
  std::vector<Link> links_;
  std::deque<Sent> sent_;
  EngineCounters counters_;
};

}  // namespace weft::discovery

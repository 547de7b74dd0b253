// Mdns: who is near. Publishes this node and finds others by multicast DNS, on every suitable
// interface, IPv4 and IPv6. The only discovery class the node uses.
//
// Single-threaded: all calls from the mesh thread, which polls the descriptors of `fds` and the
// time `tick` returns:
//   while (running) {
//     poll(mdns.fds(), until deadline);       // ask for fds() every time: interfaces come and go
//     mdns.on_readable(clock.now());
//     deadline = mdns.tick(clock.now());
//     for (auto& event : mdns.take_events()) ...
//   }
// Never blocks. Bounded: 256 services, 16 interfaces, 50 packets/s a source. What it reports are
// hints from strangers: an address to knock at, never a key, a name to trust or a reason to drop a
// link. Source: RFC 6762, RFC 6763.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "discovery/engine.h"
#include "discovery/multicast_socket.h"

namespace weft::discovery {

inline constexpr Duration kRescanInterval = seconds(3);
inline constexpr int kDatagramsPerCallMax = 64;  // per socket; the rest is read at the next call

struct MdnsOptions {
  std::string service_type = "_weft._tcp";
  // Names as `--interface` gives them; empty: every one that is up, multicast-capable, not
  // loopback.
  std::vector<std::string> interfaces;
};

class Mdns {
 public:
  // Opens the sockets. No interface at all is no error: one may appear later. kNotFound if a named
  // interface does not exist, kConflict if port 5353 is taken by a program that does not share it,
  // kInvalid for a malformed service type.
  static Result<std::unique_ptr<Mdns>> open(MdnsOptions options, Time now);

  // Announces the service once its names are probed to be free (about a second); an instance name
  // that is taken gets a number. Replaces what was published. kInvalid as check_announcement.
  Result<> publish(const ServiceAnnouncement& announcement, Time now);
  // Announces new text for the published service. kInvalid as check_txt, or if there is none.
  Result<> update_txt(const TxtMap& txt, Time now);
  // Says goodbye, before it returns. The destructor does not: a node that dies says nothing either.
  void withdraw(Time now);
  // Starts looking for services of the type; our own are left out.
  void browse(Time now);

  // The descriptors to poll for reading. Valid until the next tick.
  std::vector<int> fds() const;
  // Reads what is waiting.
  void on_readable(Time now);
  // Sends what is due, expires what has ended, looks for interfaces every kRescanInterval. Returns
  // when to call again at the latest.
  Time tick(Time now);
  // What changed since the last call. One Service per interface it was heard on.
  std::vector<DiscoveryEvent> take_events() { return engine_.take_events(); }

  // The instance label that is published now, with its number if it has one; "" if none is.
  std::string instance() const;
  const std::vector<Link>& links() const { return engine_.links(); }
  const EngineCounters& counters() const { return engine_.counters(); }

 private:
  Mdns(MdnsOptions options, Name service_type, uint64_t seed)
      : options_(std::move(options)), engine_(std::move(service_type), seed) {}

  // Opens and closes sockets as interfaces come and go. The last error of opening one, if none
  // could be opened at all.
  Result<> rescan(Time now);
  Result<> open_sockets(const Link& link);
  void flush(Time now);

  MdnsOptions options_;
  Engine engine_;
  std::vector<MulticastSocket> sockets_;
  Time rescan_at_{};
};

}  // namespace weft::discovery

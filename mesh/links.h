// Links: how far away each peer is, measured. A ping of kPingBytes every two seconds gives the
// round trip; a block of kBandwidthBytes, echoed whole, when the link comes up and once a minute
// while nothing else runs, gives the bandwidth.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "mesh/outbox.h"
#include "transport/message.h"

namespace weft::mesh {

class Links {
 public:
  explicit Links(Outbox& outbox) : outbox_(outbox) {}

  void on_up(NodeId peer, Time now);
  void on_down(NodeId peer) { links_.erase(peer); }
  // Echoes a peer's probe, or takes the time of our own.
  void on_probe(NodeId from, const transport::LinkProbe& probe, Time now);
  // idle: no stream uses the links, so a block may.
  void tick(bool idle, Time now);

  // Those measured so far, by peer.
  std::vector<transport::LinkMeasure> measures() const;

 private:
  struct Flight {
    uint64_t number = 0;
    Time sent;
    size_t bytes = 0;
  };
  struct State {
    std::optional<Flight> flight;  // one probe at a time
    Time next_ping;
    Time next_bandwidth;
    double round_trip_s = 0;
    double bytes_per_s = 0;
  };
  void launch(NodeId peer, State& link, size_t bytes, Time now);

  Outbox& outbox_;
  std::map<NodeId, State> links_;
  uint64_t next_number_ = 1;
};

}  // namespace weft::mesh

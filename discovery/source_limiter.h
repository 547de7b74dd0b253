// SourceLimiter: how many packets one neighbour, and all strangers together, may make us read.
//
// A source seen before has a bucket of its own, so a flood from elsewhere cannot starve it. A
// source never seen needs a place in a table that takes in only a few per second and drops only
// sources that have been silent for long. So invented source addresses cost bounded memory and
// cannot push out a neighbour that is there; at worst they delay a new one.
#pragma once

#include <map>

#include "base/clock.h"
#include "discovery/ip_address.h"

namespace weft::discovery {

inline constexpr size_t kSourcesMax = 256;
inline constexpr double kSourcePacketsPerSecond = 50;
inline constexpr double kSourcePacketBurst = 100;
inline constexpr double kNewSourcesPerSecond = 20;
inline constexpr double kNewSourceBurst = 64;
inline constexpr Duration kSourceIdle = seconds(180);  // longer than an address record's 120 s

class SourceLimiter {
 public:
  // True if a packet from `source` on interface `link` may be read now. `now` never goes back.
  bool admit(int link, const IpAddress& source, Time now);
  size_t source_count() const { return sources_.size(); }

 private:
  struct Bucket {
    double tokens;
    Time filled;

    bool take(double per_second, double burst, Time now);
  };

  bool make_room(Time now);

  std::map<std::pair<int, IpAddress>, Bucket> sources_;
  Bucket newcomers_{kNewSourceBurst, {}};
};

}  // namespace weft::discovery

#include "discovery/source_limiter.h"

#include <algorithm>

namespace weft::discovery {

bool SourceLimiter::Bucket::take(double per_second, double burst, Time now) {
  tokens = std::min(burst, tokens + to_seconds(now - filled) * per_second);
  filled = now;
  if (tokens < 1) return false;
  tokens -= 1;
  return true;
}

bool SourceLimiter::make_room(Time now) {
  if (sources_.size() < kSourcesMax) return true;
  const auto oldest = std::min_element(
      sources_.begin(), sources_.end(),
      [](const auto& a, const auto& b) { return a.second.filled < b.second.filled; });
  if (now - oldest->second.filled < kSourceIdle) return false;
  sources_.erase(oldest);
  return true;
}

bool SourceLimiter::admit(int link, const IpAddress& source, Time now) {
  auto known = sources_.find({link, source});
  if (known == sources_.end()) {
    if (!newcomers_.take(kNewSourcesPerSecond, kNewSourceBurst, now) || !make_room(now)) {
      return false;
    }
    known = sources_.try_emplace({link, source}, Bucket{kSourcePacketBurst, now}).first;
  }
  return known->second.take(kSourcePacketsPerSecond, kSourcePacketBurst, now);
}

}  // namespace weft::discovery

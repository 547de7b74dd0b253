// The door to time. Nothing in mesh or partition reads a clock: a Time is handed to them.
// Real side: SystemClock here. Simulated side: sim's virtual clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace weft {

using Duration = std::chrono::nanoseconds;
using std::chrono::milliseconds;
using std::chrono::microseconds;
using std::chrono::seconds;

// A point on a monotonic clock of one process (or of one simulation); never compared across nodes.
struct Time {
  int64_t ns = 0;
  auto operator<=>(const Time&) const = default;
};
inline Time operator+(Time t, Duration d) { return {t.ns + d.count()}; }
inline Duration operator-(Time a, Time b) { return Duration(a.ns - b.ns); }

inline double to_seconds(Duration d) { return double(d.count()) * 1e-9; }
inline double to_milliseconds(Duration d) { return double(d.count()) * 1e-6; }

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic; any thread.
  virtual Time now() const = 0;
  // Seconds since 1970-01-01 UTC, for certificates and invites; may jump. Any thread.
  virtual int64_t unix_seconds() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time now() const override;
  int64_t unix_seconds() const override;
};

}  // namespace weft

#include "base/clock.h"

namespace weft {

Time SystemClock::now() const {
  return {std::chrono::duration_cast<Duration>(
              std::chrono::steady_clock::now().time_since_epoch()).count()};
}

int64_t SystemClock::unix_seconds() const {
  return std::chrono::duration_cast<seconds>(
             std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace weft

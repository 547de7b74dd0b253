// Waiting for what another thread makes true, with a limit that no busy machine reaches.
#pragma once

#include <functional>
#include <thread>

#include "base/clock.h"

namespace weft::test {

inline bool wait_until(const std::function<bool()>& condition, Duration limit = seconds(60)) {
  const SystemClock clock;
  const Time until = clock.now() + limit;
  while (!condition()) {
    if (clock.now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

}  // namespace weft::test

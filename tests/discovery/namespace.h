// Network namespaces for tests: multicast never leaves what the test made itself.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

namespace weft::discovery::test {

// Runs a shell command in the calling thread's namespaces; true if it succeeded.
inline bool command(const std::string& text) {
  return std::system(("{ " + text + "; } >/dev/null 2>&1").c_str()) == 0;  // NOLINT: test only
}

inline bool can_make_networks() {
  if (geteuid() != 0 || !command("command -v ip")) return false;
  bool made = false;
  std::thread([&] { made = unshare(CLONE_NEWNET) == 0; }).join();
  return made;
}

// Runs `body` in a thread with a network of its own, in which only `lo` exists and is up. Where
// this is not allowed, `body` runs in the machine's network and must keep to `lo`.
inline void in_own_network(const std::function<void()>& body) {
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) command("ip link set lo up");
    body();
  }).join();
}

}  // namespace weft::discovery::test

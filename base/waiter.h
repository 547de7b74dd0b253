// Waiter: one thread's wait for descriptors, some of which other threads wait for as well.
//
// add: any thread. wait: one thread at a time. A descriptor that is closed leaves by itself.
// Source: epoll(7), EPOLLEXCLUSIVE in epoll_ctl(2).
#pragma once

#include "base/clock.h"
#include "base/file.h"

namespace weft {

class Waiter {
 public:
  Waiter();

  // Adding one that is there changes nothing.
  void add(int descriptor);
  // Who shares a descriptor shares its news: what makes it readable wakes up only the first, in the
  // order in which they were added, of the Waiters that wait then. Whoever begins to wait while it
  // is readable does not wait, and whoever was woken up has to read it.
  void add_shared(int descriptor);

  // Until one of them is readable or `timeout` (rounded up to milliseconds) is over. True if one is
  // readable; false also after a signal.
  bool wait(Duration timeout);

 private:
  FileDescriptor epoll_;
};

}  // namespace weft

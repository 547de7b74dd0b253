#include "base/waiter.h"

#include <sys/epoll.h>

#include <cerrno>

#include "base/assert.h"

namespace weft {
namespace {

void watch(int epoll, int descriptor, uint32_t events) {
  epoll_event event{};
  event.events = events;
  const int rc = ::epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
  WEFT_ASSERT(rc == 0 || errno == EEXIST);  // else memory or watches have run out
}

}  // namespace

Waiter::Waiter() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) { WEFT_ASSERT(epoll_.valid()); }

void Waiter::add(int descriptor) { watch(epoll_.get(), descriptor, EPOLLIN); }

void Waiter::add_shared(int descriptor) {
  watch(epoll_.get(), descriptor, EPOLLIN | EPOLLEXCLUSIVE);
}

bool Waiter::wait(Duration timeout) {
  epoll_event first{};
  return ::epoll_wait(epoll_.get(), &first, 1, poll_milliseconds(timeout)) > 0;
}

}  // namespace weft

#include "base/waiter.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <thread>

#include "base/clock.h"

namespace weft {
namespace {

FileDescriptor make_event() { return FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

TEST(Waiter, WaitsForTheFirstReadableDescriptorOrTheTime) {
  Waiter waiter;
  const FileDescriptor first = make_event(), second = make_event();
  EXPECT_FALSE(waiter.wait(Duration(0)));
  waiter.add(first.get());
  waiter.add(second.get());
  waiter.add(first.get());
  const Time before = SystemClock().now();
  EXPECT_FALSE(waiter.wait(milliseconds(20)));
  EXPECT_GE(SystemClock().now() - before, milliseconds(20));
  ASSERT_EQ(::eventfd_write(second.get(), 1), 0);
  EXPECT_TRUE(waiter.wait(seconds(20)));
  EXPECT_TRUE(waiter.wait(milliseconds(-5))) << "until it has been read";
}

TEST(Waiter, WatchesADescriptorThatTookTheNumberOfAClosedOne) {
  Waiter waiter;
  for (const bool shared : {false, true, false}) {
    const FileDescriptor event = make_event();
    shared ? waiter.add_shared(event.get()) : waiter.add(event.get());
    EXPECT_FALSE(waiter.wait(Duration(0)));
    ASSERT_EQ(::eventfd_write(event.get(), 1), 0);
    EXPECT_TRUE(waiter.wait(seconds(20)));
  }
}

TEST(Waiter, SharedNewsWakesUpTheFirstThatWaits) {
  const FileDescriptor event = make_event();
  Waiter first, second;
  first.add_shared(event.get());
  second.add_shared(event.get());

  // Whether the other one was woken up too: only if it had not begun to wait, as nothing says from
  // outside, so a busy machine may need another try.
  bool alone = false;
  for (int round = 1; round <= 20 && !alone; ++round) {
    const Duration pause = milliseconds(10) * round;
    bool other_woke = false;
    std::thread other([&] { other_woke = second.wait(4 * pause); });
    std::thread writer([&] {
      std::this_thread::sleep_for(pause);
      ::eventfd_write(event.get(), 1);
    });
    EXPECT_TRUE(first.wait(seconds(20)));
    eventfd_t ignored;
    ::eventfd_read(event.get(), &ignored);
    writer.join();
    other.join();
    alone = !other_woke;
  }
  EXPECT_TRUE(alone);

  std::thread writer([&] { ::eventfd_write(event.get(), 1); });
  EXPECT_TRUE(second.wait(seconds(20))) << "while the first does not wait";
  writer.join();
}

}  // namespace
}  // namespace weft

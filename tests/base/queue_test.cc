#include "base/queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace weft {
namespace {

TEST(Queue, KeepsOrderAndRefusesBeyondItsCapacity) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  EXPECT_EQ(queue.try_pop(), 1);
  EXPECT_EQ(queue.pop(seconds(1)), 2);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(Queue, AClosedQueueGivesWhatItHasAndNoMore) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.try_push(1));
  queue.close();
  EXPECT_FALSE(queue.try_push(2));
  EXPECT_EQ(queue.pop(seconds(10)), 1);
  EXPECT_EQ(queue.pop(seconds(10)), std::nullopt);  // at once, not after ten seconds
}

TEST(Queue, PassesEveryItemBetweenThreadsInOrder) {
  BoundedQueue<int> queue(16);
  constexpr int kItems = 20000;
  std::thread writer([&] {
    for (int i = 0; i < kItems;) i += queue.try_push(i) ? 1 : 0;
    queue.close();
  });
  int expected = 0;
  while (auto item = queue.pop(seconds(30))) {
    EXPECT_EQ(*item, expected++);
  }
  writer.join();
  EXPECT_EQ(expected, kItems);
}

}  // namespace
}  // namespace weft

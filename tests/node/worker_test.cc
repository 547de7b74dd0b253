#include "node/worker.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace weft::node {
namespace {

TEST(Worker, TasksRunInTheOrderTheyWereAsked) {
  Worker worker;
  std::vector<int> order;
  std::promise<void> done;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(worker.post([&order, i] { order.push_back(i); }));
  ASSERT_TRUE(worker.post([&done] { done.set_value(); }));
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Worker, AFullQueueRefusesAndTheEndDropsWhatWaits) {
  std::promise<void> started, release;
  int ran = 0;
  std::thread releaser;
  {
    Worker worker;
    ASSERT_TRUE(worker.post([&] {
      started.set_value();
      release.get_future().wait();
    }));
    started.get_future().wait();
    for (size_t i = 0; i < kWorkMax; ++i) ASSERT_TRUE(worker.post([&ran] { ++ran; }));
    EXPECT_FALSE(worker.post([] {}));
    // The first task goes on only once the worker is ending.
    releaser = std::thread([&] {
      while (!worker.stopping()) std::this_thread::yield();
      release.set_value();
    });
  }
  releaser.join();
  EXPECT_EQ(ran, 0);
}

}  // namespace
}  // namespace weft::node

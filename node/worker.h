// Worker: one thread that hashes, reads and writes files, in the order it is asked.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "base/queue.h"

namespace weft::node {

inline constexpr size_t kWorkMax = 4096;

class Worker {
 public:
  Worker() : tasks_(kWorkMax), thread_([this] { run(); }) {}
  // What waits is dropped, what runs is waited for.
  ~Worker() {
    stopping_ = true;
    tasks_.close();
    thread_.join();
  }
  // False if kWorkMax tasks wait already. Any thread.
  bool post(std::function<void()> task) { return tasks_.try_push(std::move(task)); }
  bool stopping() const { return stopping_; }

 private:
  void run() {
    while (!stopping_) {
      if (auto task = tasks_.pop(seconds(1))) (*task)();
    }
  }

  std::atomic<bool> stopping_{false};
  BoundedQueue<std::function<void()>> tasks_;
  std::thread thread_;
};

}  // namespace weft::node

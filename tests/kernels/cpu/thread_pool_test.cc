#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/wait.h"

namespace weft::kernels {
namespace {

TEST(ThreadPool, CallsEveryChunkOnce) {
  for (const uint32_t threads : {1u, 2u, 5u}) {
    const auto pool = ThreadPool::create(threads).value();
    EXPECT_EQ(pool->threads(), threads);
    for (const uint32_t chunks : {0u, 1u, 2u, 3u, 1000u}) {
      std::vector<uint32_t> calls(chunks);
      pool->parallel_for(chunks, [&](uint32_t chunk) { ++calls[chunk]; });
      EXPECT_TRUE(std::all_of(calls.begin(), calls.end(), [](uint32_t n) { return n == 1; }));
    }
  }
}

// Plain memory written by one region and read by the next: what thread sanitizers watch.
TEST(ThreadPool, ManyShortRegionsSeeEachOthersWrites) {
  const auto pool = ThreadPool::create(4).value();
  std::vector<uint64_t> values(37, 1), next(37), expected(37, 1);
  for (uint32_t round = 0; round < 5000; ++round) {
    const uint32_t chunks = 1 + round % 37;
    pool->parallel_for(chunks,
                       [&](uint32_t chunk) { next[chunk] = values[(chunk + 1) % chunks] + 1; });
    pool->parallel_for(chunks, [&](uint32_t chunk) { values[chunk] = next[chunk]; });
    std::rotate(expected.begin(), expected.begin() + 1, expected.begin() + chunks);
    for (uint32_t i = 0; i < chunks; ++i) ++expected[i];
  }
  EXPECT_EQ(values, expected);
}

TEST(ThreadPool, EndsWhetherItsThreadsSpinOrAreParked) {
  for (int round = 0; round < 50; ++round) {
    const auto pool = ThreadPool::create(3).value();
    if (round % 2 == 0) {
      std::vector<int> out(3);
      pool->parallel_for(3, [&](uint32_t chunk) { out[chunk] = 1; });
      EXPECT_EQ(std::accumulate(out.begin(), out.end(), 0), 3);
    }
  }
}

TEST(ThreadPool, ThreadsThatParkedWakeUpBesideTheCallerAndMayThenMove) {
  const uint32_t cores = usable_cores();
  if (cores < 2) GTEST_SKIP() << "needs two cores";
  const auto pool = ThreadPool::create(cores).value();
  const std::thread::id caller = std::this_thread::get_id();
  struct Seen {
    int core, may_run_on;
  };
  std::map<std::thread::id, Seen> seen;
  std::mutex mutex;
  const auto note = [&](uint32_t) {
    cpu_set_t set;
    ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    std::lock_guard lock(mutex);
    seen[std::this_thread::get_id()] = {sched_getcpu(), CPU_COUNT(&set)};
  };
  // Each time all park first; sooner or later every one of them takes a chunk, and no other program
  // moves any.
  const auto each_on_its_own = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    seen.clear();
    pool->wake_up();
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    pool->parallel_for(64 * cores, note);
    std::set<int> taken;
    for (const auto& [thread, at] : seen) taken.insert(at.core);
    return taken.size() == cores;
  };
  EXPECT_TRUE(test::wait_until(each_on_its_own));
  for (const auto& [thread, at] : seen) {
    EXPECT_EQ(at.may_run_on, int(cores)) << (thread == caller ? "the caller" : "a worker");
  }

  const auto fewer = ThreadPool::create(cores - 1).value();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  seen.clear();
  fewer->parallel_for(1000, note);
  for (const auto& [thread, at] : seen) {
    EXPECT_EQ(at.may_run_on, int(cores)) << "the system's to place";
  }
}

TEST(ThreadPool, RefusesSenselessSizes) {
  EXPECT_EQ(ThreadPool::create(0).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(ThreadPool::create(kPoolThreadsMax + 1).error().code, ErrorCode::kInvalid);
  EXPECT_GE(usable_cores(), 1u);
}

}  // namespace
}  // namespace weft::kernels

#include "kernels/cpu/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace weft::kernels {
namespace {

// About 30 microseconds: longer than the gaps between the operations of a layer. Then about a
// millisecond in which other threads may have the core, unless one takes it: who parks within a
// batch may come back when it has ended, as a virtual machine's idle core can take milliseconds to
// wake. Much shorter than the gap between two tokens of an idle node.
constexpr uint32_t kSpinsBeforeYielding = 1500;
constexpr uint32_t kYieldsBeforeParking = 1000;
constexpr std::chrono::microseconds kCoreWasTaken{20};

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The cores this process may run on; empty if the system does not say.
std::vector<int> list_cores() {
  std::vector<int> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

// Advice only: where it is refused the thread runs where it did.
void place(pthread_t thread, std::span<const int> cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(core, &set);
  (void)pthread_setaffinity_np(thread, sizeof set, &set);
}

// Waits for `done`, a while: false if it has not come.
template <typename Done>
bool wait_awake(Done done) {
  for (uint32_t spins = 0; spins < kSpinsBeforeYielding; ++spins) {
    if (done()) return true;
    pause_briefly();
  }
  for (uint32_t yields = 0; yields < kYieldsBeforeParking; ++yields) {
    for (int spins = 0; spins < 50; ++spins) {
      if (done()) return true;
      pause_briefly();
    }
    const auto before = std::chrono::steady_clock::now();
    sched_yield();
    if (std::chrono::steady_clock::now() - before > kCoreWasTaken) break;
  }
  return done();
}

}  // namespace

uint32_t usable_cores() {
  const size_t cores = list_cores().size();
  return cores > 0 ? uint32_t(cores) : std::max(1u, std::thread::hardware_concurrency());
}

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(uint32_t threads) {
  if (threads < 1 || threads > kPoolThreadsMax) {
    return Error(ErrorCode::kInvalid,
                 cat("a thread pool of ", threads, " threads: choose 1 to ", kPoolThreadsMax));
  }
  std::unique_ptr<ThreadPool> pool(new ThreadPool());
  if (std::vector<int> cores = list_cores(); cores.size() == threads) {
    pool->cores_ = pool->all_cores_ = std::move(cores);
  }
  try {
    for (uint32_t i = 1; i < threads; ++i) {
      Worker& worker = pool->workers_.emplace_back();
      worker.thread = std::thread([raw = pool.get(), &worker] { raw->serve(worker); });
    }
  } catch (const std::exception& failure) {
    return Error(ErrorCode::kExhausted, cat("the system gives no ", threads, " threads (",
                                            failure.what(), "): choose fewer"));
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  stopping_.store(true, std::memory_order_release);
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();
  for (Worker& worker : workers_) {
    if (worker.thread.joinable()) worker.thread.join();
  }
}

void ThreadPool::place_threads() {
  if (parked_.load(std::memory_order_relaxed) == 0) return;
  const auto own = std::find(cores_.begin(), cores_.end(), sched_getcpu());
  if (own == cores_.end()) return;
  std::swap(*own, cores_.front());  // whose core the caller has come to gets the one it left
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i].parked.load(std::memory_order_relaxed)) continue;
    place(workers_[i].thread.native_handle(), {&cores_[i + 1], 1});
  }
}

void ThreadPool::wake_up() {
  place_threads();
  wake_.fetch_add(1, std::memory_order_release);
  wake_.notify_all();
}

void ThreadPool::run(uint32_t chunks, Call call, void* context) {
  if (chunks == 0) return;
  if (chunks == 1 || workers_.empty()) {
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) call(context, chunk);
    return;
  }
  const uint32_t generation = uint32_t(state_.load(std::memory_order_relaxed) >> 32) + 1;
  call_ = call;
  context_ = context;
  chunks_ = chunks;
  done_.store(0, std::memory_order_relaxed);
  state_.store(uint64_t(generation) << 32 | chunks, std::memory_order_release);
  wake_up();

  work(generation);
  const auto finished = [&] { return done_.load(std::memory_order_acquire) == chunks; };
  while (!wait_awake(finished)) {
    const uint32_t done = done_.load(std::memory_order_acquire);
    if (done != chunks) done_.wait(done, std::memory_order_acquire);
  }
}

void ThreadPool::work(uint32_t generation) {
  uint64_t state = state_.load(std::memory_order_acquire);
  for (;;) {
    const uint32_t unclaimed = uint32_t(state);
    if (uint32_t(state >> 32) != generation || unclaimed == 0) return;
    if (!state_.compare_exchange_weak(state, state - 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      continue;
    }
    const uint32_t chunks = chunks_;
    call_(context_, chunks - unclaimed);
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == chunks) done_.notify_one();
    state = state_.load(std::memory_order_acquire);
  }
}

void ThreadPool::serve(Worker& self) {
  uint32_t seen = 0;
  for (;;) {
    const auto woken = [&] { return wake_.load(std::memory_order_acquire) != seen; };
    if (!wait_awake(woken)) {
      self.parked.store(true, std::memory_order_relaxed);
      parked_.fetch_add(1, std::memory_order_relaxed);
      wake_.wait(seen, std::memory_order_acquire);
      parked_.fetch_sub(1, std::memory_order_relaxed);
      self.parked.store(false, std::memory_order_relaxed);
      if (!all_cores_.empty()) place(pthread_self(), all_cores_);
      continue;
    }
    seen = wake_.load(std::memory_order_acquire);  // before stopping_, which is set before it
    if (stopping_.load(std::memory_order_acquire)) return;
    work(uint32_t(state_.load(std::memory_order_acquire) >> 32));
  }
}

}  // namespace weft::kernels

// ThreadPool: the threads of the cpu backend, made once. Idle threads spin for a moment, then park.
//
// A parallel region takes no lock, allocates nothing, and makes a system call only to wake threads
// that have parked. The caller takes part, and it never waits for a thread that took no chunk.
//
// Where there is a thread for each core of the process, a parked thread is woken up on a core of
// its own, not the caller's. It may else be woken up on the core on which it slept though the
// caller runs there now, and wait for milliseconds beside an idle core: in a virtual machine Linux
// takes an idle core for a busy one (vcpu_is_preempted). Once awake it may go anywhere, as what
// else runs here can take its core while the caller, who waits for it, leaves another one idle.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace weft::kernels {

inline constexpr uint32_t kPoolThreadsMax = 256;

// The cores this process may run on (its affinity mask), at least 1.
uint32_t usable_cores();

class ThreadPool {
 public:
  // `threads` counts the caller: 1 makes none. kInvalid outside 1..kPoolThreadsMax, kExhausted if
  // the system gives no more threads.
  static Result<std::unique_ptr<ThreadPool>> create(uint32_t threads);
  // Ends and joins the threads. No region may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t threads() const { return uint32_t(workers_.size()) + 1; }

  // Has parked threads wake up, as for a region that comes soon. The caller's thread.
  void wake_up();

  // Calls body(chunk) once for every chunk in [0, chunks), on any thread in any order, and returns
  // when all calls have. What a chunk computes must not depend on who computes it. One caller at a
  // time; `body` must not throw or start another region.
  template <typename Body>
  void parallel_for(uint32_t chunks, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(
        chunks, [](void* context, uint32_t chunk) { (*static_cast<Plain*>(context))(chunk); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Call = void (*)(void* context, uint32_t chunk);

  ThreadPool() = default;
  void run(uint32_t chunks, Call call, void* context);
  // Takes chunks of the region `generation` until none is left.
  void work(uint32_t generation);
  struct Worker {
    std::thread thread;
    std::atomic<bool> parked{false};
  };
  void serve(Worker& self);
  // Gives each parked thread a core that is not the caller's.
  void place_threads();

  // The region under way. run() writes it while nothing can be claimed; whoever claims a chunk
  // reads it before counting that chunk as done, until when the region cannot end.
  Call call_ = nullptr;
  void* context_ = nullptr;
  uint32_t chunks_ = 0;
  // High half: generation; low half: how many chunks are still to claim. One word, so that a claim
  // of an ended region fails, and an ended region (0 to claim) stays closed until the next is set.
  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<uint32_t> done_{0};
  // What parked threads wait on: the generation, or anything once stopping.
  alignas(64) std::atomic<uint32_t> wake_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<uint32_t> parked_{0};
  std::vector<int> all_cores_;  // empty: the system places the threads
  std::vector<int> cores_;      // the caller's, then each worker's
  std::deque<Worker> workers_;
};

}  // namespace weft::kernels

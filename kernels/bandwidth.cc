#include "kernels/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/clock.h"
#include "kernels/cpu/mapped_memory.h"
#include "kernels/cpu/thread_pool.h"

namespace weft::kernels {
namespace {

constexpr uint64_t kStreamBytes = uint64_t{256} << 20;
// A thread takes pieces of this size: small enough that both end together.
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
constexpr Duration kMeasureTime = milliseconds(250);
constexpr uint32_t kPassesMin = 3;

// A cache line, which a compiler loads as wide as the target can.
using Line = uint64_t __attribute__((vector_size(64)));

uint64_t read_piece(const uint8_t* at) {
  constexpr size_t kAhead = 6144;
  Line even{}, odd{};
  for (size_t i = 0; i < kPieceBytes; i += 2 * sizeof(Line)) {
    Line first, second;
    __builtin_prefetch(at + i + kAhead);
    __builtin_prefetch(at + i + kAhead + sizeof first);
    std::memcpy(&first, at + i, sizeof first);
    std::memcpy(&second, at + i + sizeof first, sizeof second);
    even += first;
    odd += second;
  }
  even += odd;
  uint64_t sum = 0;
  for (size_t v = 0; v < sizeof(Line) / sizeof(uint64_t); ++v) sum += even[v];
  return sum;
}

}  // namespace

Result<double> measure_read_bandwidth(uint32_t threads) {
  WEFT_TRY(auto pool, ThreadPool::create(threads == 0 ? usable_cores() : threads));
  WEFT_TRY(MappedMemory memory, MappedMemory::create(kStreamBytes));
  constexpr uint32_t kPieces = kStreamBytes / kPieceBytes;
  // Every page must be real memory: untouched ones all read as one page of zeros.
  pool->parallel_for(kPieces, [&](uint32_t piece) {
    std::memset(memory.data() + piece * kPieceBytes, int(piece % 255) + 1, kPieceBytes);
  });

  SystemClock clock;
  // The sum is used, so that no compiler can leave the reading out.
  std::atomic<uint64_t> sum{0};
  double best = 0;
  const Time end = clock.now() + kMeasureTime;
  for (uint32_t pass = 0; pass < kPassesMin || clock.now() < end; ++pass) {
    const Time begin = clock.now();
    pool->parallel_for(kPieces, [&](uint32_t piece) {
      sum.fetch_add(read_piece(memory.data() + piece * kPieceBytes), std::memory_order_relaxed);
    });
    best = std::max(best, double(kStreamBytes) / to_seconds(clock.now() - begin) * 1e-9);
  }
  if (sum.load() == 0) return Error(ErrorCode::kInternal, "the bandwidth was measured on nothing");
  return best;
}

}  // namespace weft::kernels

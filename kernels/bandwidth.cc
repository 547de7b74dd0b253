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

// What every processor we build for loads at once. Eight loads of 8 bytes for a cache line would
// measure a fast core's loads and not its memory.
using Vector = uint64_t __attribute__((vector_size(16)));
constexpr size_t kLineBytes = 64;

uint64_t read_piece(const uint8_t* at) {
  constexpr size_t kAhead = 2048;
  constexpr size_t kVectors = kLineBytes / sizeof(Vector);
  Vector sums[kVectors] = {};
  for (size_t i = 0; i < kPieceBytes; i += kLineBytes) {
    __builtin_prefetch(at + i + kAhead);
    for (size_t v = 0; v < kVectors; ++v) {
      Vector part;
      std::memcpy(&part, at + i + v * sizeof part, sizeof part);
      sums[v] += part;
    }
  }
  const Vector sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return sum[0] + sum[1];
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

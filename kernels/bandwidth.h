// The memory's read bandwidth, measured: the limit of decode, which reads every weight once.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace weft::kernels {

// GB/s (10^9 bytes) that `threads` threads read together (0: one per usable core), each streaming
// over its share of memory far beyond any cache. The best of several passes; about 0.3 s and
// 256 MiB. kExhausted without that memory, kInvalid for a senseless number of threads.
Result<double> measure_read_bandwidth(uint32_t threads);

}  // namespace weft::kernels

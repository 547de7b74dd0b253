// What this device can do, measured at start on the kernels that will run: how fast it streams
// weights of each tensor type, how fast it multiplies many rows, what a layer costs besides, and
// how much memory it may use.
#pragma once

#include <cstdint>
#include <set>

#include "base/result.h"
#include "kernels/backend.h"
#include "transport/message.h"

namespace weft::node {

struct ProfileOptions {
  uint64_t memory_bytes = 0;         // 0: what usable_memory says
  std::set<model::TensorType> types;  // those of the models at hand; a few usual ones are added
};

// About half a second. The backend must be idle. Leaves incarnation and offers to the caller.
Result<transport::Profile> measure_profile(kernels::Backend& backend,
                                           const ProfileOptions& options);

// Bytes of weights (Q4_K) a second that a product with one row of x reads, of more than a cache
// holds. Takes twice 128 MiB meanwhile.
Result<double> measure_decode_speed(kernels::Backend& backend);

// Four fifths of what the system (and the control group, if it sets a limit) has free now.
uint64_t usable_memory();

}  // namespace weft::node

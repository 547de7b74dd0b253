// Known answers: every operation of a backend on small inputs, beside the reference. A driver that
// computes wrongly is found at start and not in somebody's text.
#pragma once

#include "kernels/backend.h"

namespace weft::kernels {

// Every operation for every type of weight and cache, for few, some and many rows, with windows,
// caps and sinks. kInternal names the first whose result is wrong; other errors are the backend's.
// Takes a third of a second on lavapipe with two cores; on a GPU, the making of its pipelines.
Result<> self_test(Backend& backend);

}  // namespace weft::kernels

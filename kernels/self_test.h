// Known answers: every operation of a backend on small inputs, beside the reference. A driver that
// computes wrongly is found at start and not in somebody's text.
#pragma once

#include "kernels/backend.h"

namespace weft::kernels {

// kInternal names the first operation whose result is wrong; other errors are the backend's. Takes
// milliseconds on a processor; on a GPU also the making of its pipelines.
Result<> self_test(Backend& backend);

}  // namespace weft::kernels

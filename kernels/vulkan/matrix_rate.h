// What a device's cooperative matrices do at most, measured on it: the limit of prefill there.
#pragma once

#include "base/result.h"
#include "kernels/vulkan/device.h"

namespace weft::kernels {

enum class MatrixFactors { kHalves, kBytes };

// Operations per second, in units of 10^12 (a multiplication and an addition are two), of products
// of matrices that stay in registers: halves summed in 32-bit floats, or bytes summed in integers.
// By the device's own clock, the best of several. kUnsupported, with the reason, if the device has
// no such matrices that weft uses, or no clock.
Result<double> measure_matrix_rate(VulkanDevice& device, MatrixFactors factors);

}  // namespace weft::kernels

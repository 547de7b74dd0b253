// What the device's own memory does, measured on it: the limit of decode there.
#pragma once

#include "base/result.h"
#include "kernels/vulkan/device.h"

namespace weft::kernels {

// GB/s (10^9 bytes) that a copy between two large buffers reads and writes together, by the
// device's own clock: the best of several, after one that is not counted. Takes 512 MiB of its
// memory while it runs, or less where a buffer may not be so large. kUnsupported if the device has
// no clock, kExhausted without the memory.
Result<double> measure_copy_bandwidth(VulkanDevice& device);

}  // namespace weft::kernels

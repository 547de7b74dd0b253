#include "kernels/vulkan/copy_bandwidth.h"

#include <algorithm>

#include "base/text.h"
#include "kernels/vulkan/recorder.h"

namespace weft::kernels {
namespace {

constexpr uint64_t kCopyBytes = uint64_t{256} << 20;  // beyond the caches of any device
constexpr int kPasses = 5;

}  // namespace

Result<double> measure_copy_bandwidth(VulkanDevice& device) {
  if (device.timestamp_bits() == 0) {
    return Error(ErrorCode::kUnsupported, cat(device.info().name, " has no clock"));
  }
  VulkanMemory memory(device);
  const uint64_t bytes = std::min(kCopyBytes, memory.buffer_bytes_max()) / 4 * 4;
  WEFT_TRY(const auto from, memory.allocate(bytes, VulkanPlace::kDevice));
  WEFT_TRY(const auto to, memory.allocate(bytes, VulkanPlace::kDevice));
  WEFT_TRY(const auto recorder, VulkanRecorder::create(device));
  double best = 0;
  for (int pass = 0; pass <= kPasses; ++pass) {
    // There and back, so that each has been written before it is read.
    const VulkanBuffer& source = pass % 2 == 0 ? *from : *to;
    const VulkanBuffer& target = pass % 2 == 0 ? *to : *from;
    WEFT_TRY(const double seconds, recorder->time_copy(target, source, bytes));
    if (pass > 0 && seconds > 0) best = std::max(best, 2 * double(bytes) / seconds * 1e-9);
  }
  if (best > 0) return best;
  return Error(ErrorCode::kInternal, cat("the clock of ", device.info().name, " stands still"));
}

}  // namespace weft::kernels

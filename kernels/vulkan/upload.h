// VulkanUpload: bytes between the processor and the device's buffers, straight where they are
// mapped and through a buffer of its own where they are not.
#pragma once

#include <memory>

#include "kernels/vulkan/recorder.h"

namespace weft::kernels {

inline constexpr uint64_t kVulkanStagingBytes = uint64_t{8} << 20;

class VulkanUpload {
 public:
  VulkanUpload(VulkanMemory& memory, VulkanRecorder& recorder)
      : memory_(memory), recorder_(recorder) {}

  // Nothing that uses the buffer may be recorded and not run. Offsets and sizes are multiples of 4.
  Result<> write(VulkanBuffer& to, uint64_t offset, ByteView bytes);
  Result<> read(std::span<uint8_t> to, const VulkanBuffer& from, uint64_t offset);

 private:
  Result<> make_staging();

  VulkanMemory& memory_;
  VulkanRecorder& recorder_;
  std::unique_ptr<VulkanBuffer> staging_;
};

}  // namespace weft::kernels

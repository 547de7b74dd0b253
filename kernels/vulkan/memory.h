// Memory of a Vulkan device: buffers cut out of few large pieces, as drivers allow only some
// thousand allocations. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "kernels/vulkan/device.h"

namespace weft::kernels {

// A piece is at least this large; what is larger gets one of its own.
inline constexpr uint64_t kVulkanPieceBytes = uint64_t{32} << 20;

enum class VulkanPlace {
  kDevice,    // the device's own; mapped as well where it is the system's
  kUpload,    // mapped, and as near to the device as that allows: for small things
  kReadback,  // mapped, and quick for the processor to read
};

class VulkanMemory;

// Storage of the device, bound to its part of a piece.
class VulkanBuffer {
 public:
  ~VulkanBuffer();
  VulkanBuffer(const VulkanBuffer&) = delete;
  VulkanBuffer& operator=(const VulkanBuffer&) = delete;

  VkBuffer get() const { return buffer_; }
  uint64_t size() const { return size_; }  // bytes
  // Where the processor sees it; null where it does not.
  uint8_t* mapped() const { return mapped_; }

 private:
  friend class VulkanMemory;
  VulkanBuffer() = default;

  VulkanMemory* memory_ = nullptr;
  struct VulkanPiece* piece_ = nullptr;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  uint64_t size_ = 0;
  uint8_t* mapped_ = nullptr;
};

// One allocation; its parts are taken in order and all given back before it is freed.
struct VulkanPiece {
  VkDeviceMemory memory = VK_NULL_HANDLE;
  uint32_t type = 0;
  uint64_t size = 0, used = 0;
  uint32_t buffers = 0;
  uint8_t* mapped = nullptr;
};

class VulkanMemory {
 public:
  explicit VulkanMemory(VulkanDevice& device) : device_(device) {}
  ~VulkanMemory();  // after all of its buffers

  // kExhausted without memory; kInvalid above the device's largest storage buffer.
  Result<std::unique_ptr<VulkanBuffer>> allocate(uint64_t bytes, VulkanPlace place);

  // Told of every buffer before it goes.
  std::function<void(const VulkanBuffer&)> on_free;

  uint64_t buffer_bytes_max() const {
    return std::min<uint64_t>(device_.limits().maxStorageBufferRange,
                              device_.options().buffer_bytes_max);
  }
  uint64_t allocated_bytes() const { return allocated_; }

 private:
  friend class VulkanBuffer;
  std::optional<uint32_t> find_type(uint32_t allowed, VulkanPlace place) const;
  Result<VulkanPiece*> take(uint64_t bytes, uint64_t alignment, uint32_t type, uint64_t* offset);
  void give_back(VulkanPiece& piece);

  VulkanDevice& device_;
  std::list<VulkanPiece> pieces_;
  uint64_t allocated_ = 0;
};

}  // namespace weft::kernels

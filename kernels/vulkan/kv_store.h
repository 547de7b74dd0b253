// VulkanKvStore: the pages of keys and values, a buffer for each layer. shaders/kv.glsl has their
// layout.
#pragma once

#include <memory>
#include <vector>

#include "kernels/kv_cache.h"
#include "kernels/vulkan/memory.h"

namespace weft::kernels {

inline constexpr uint32_t kVulkanHeadDimMax = 256;

class VulkanKvStore final : public KvStore {
 public:
  // kUnsupported for heads that the shaders do not take, kInvalid for more pages than fit one of
  // the device's buffers, kExhausted without memory.
  static Result<std::unique_ptr<VulkanKvStore>> create(const KvShape& shape, VulkanMemory& memory);

  const VulkanBuffer& layer(uint32_t index) const { return *layers_[index]; }

 private:
  explicit VulkanKvStore(const KvShape& shape) : KvStore(shape) {}
  std::vector<std::unique_ptr<VulkanBuffer>> layers_;
};

}  // namespace weft::kernels

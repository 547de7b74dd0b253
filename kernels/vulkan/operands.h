// What an operation of the backend is given, as the backend's own.
#pragma once

#include <memory>
#include <utility>

#include "base/assert.h"
#include "kernels/backend.h"
#include "kernels/vulkan/memory.h"
#include "kernels/vulkan/weight.h"

namespace weft::kernels {

class VulkanFloats final : public Buffer {
 public:
  VulkanFloats(size_t floats, std::unique_ptr<VulkanBuffer> memory)
      : Buffer(floats), memory_(std::move(memory)) {}
  VulkanBuffer& memory() const { return *memory_; }

 private:
  std::unique_ptr<VulkanBuffer> memory_;
};

inline VulkanBuffer& memory_of(const Buffer& buffer, size_t floats) {
  WEFT_ASSERT(floats <= buffer.size());
  return static_cast<const VulkanFloats&>(buffer).memory();
}
inline const VulkanWeight& vulkan_weight(const Weight& weight) {
  return static_cast<const VulkanWeight&>(weight);
}

inline uint32_t ceil_divide(uint64_t a, uint64_t b) {
  return uint32_t((a + b - 1) / b);
}

}  // namespace weft::kernels

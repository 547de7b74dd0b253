// Pipelines: one per shader and its constants, made when first asked for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/vulkan/device.h"

namespace weft::kernels {

inline constexpr size_t kVulkanBindings = 5;    // most storage buffers of a shader
inline constexpr size_t kVulkanPushWords = 16;  // 64 bytes; every device has 128

// One of kernels/vulkan/shaders, compiled at build time.
struct VulkanShader {
  std::string_view name;  // "rms_norm"
  std::span<const uint32_t> code;
  uint32_t bindings;
};
// All of them.
std::span<const VulkanShader> vulkan_shaders();

struct VulkanPipeline {
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
  uint32_t bindings = 0;
};

class VulkanPipelines {
 public:
  explicit VulkanPipelines(VulkanDevice& device) : device_(device) {}
  ~VulkanPipelines();

  // The pipeline of that shader with these specialization constants (ids 0, 1, ...); the same
  // object for the same question, as long as this lives.
  Result<const VulkanPipeline*> get(std::string_view shader, std::vector<uint32_t> constants = {});

 private:
  Result<VulkanPipeline> make(const VulkanShader& shader, std::span<const uint32_t> constants);
  Result<> make_layouts(VulkanPipeline& made);
  void destroy(VulkanPipeline& pipeline);

  VulkanDevice& device_;
  std::map<std::pair<std::string_view, std::vector<uint32_t>>, VulkanPipeline> made_;
};

}  // namespace weft::kernels

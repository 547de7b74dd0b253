// Pipelines: one per shader and its constants, made when first asked for. What a driver compiled is
// kept in a file of its own for each device and driver version, so that the next start is quick.
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
inline constexpr uint64_t kPipelineCacheBytesMax = uint64_t{64} << 20;

// One of kernels/vulkan/shaders, compiled at build time.
struct VulkanShader {
  std::string_view name;  // "rms_norm"
  std::span<const uint32_t> code;
  uint32_t bindings;
  // The device must have dot products of bytes (VulkanDevice::dots).
  bool needs_dots() const { return name.ends_with("_dot"); }
  // And cooperative matrices of the shape in its constants (VulkanDevice::matrices).
  bool needs_matrices() const {
    return name.find("matrix") != std::string_view::npos && name.find("plain") == name.npos;
  }
};
// All of them.
std::span<const VulkanShader> vulkan_shaders();
// Whether those with cooperative matrices are among them: an older glslc does not know these.
bool has_matrix_shaders();

struct VulkanPipeline {
  std::string_view shader;
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
  uint32_t bindings = 0;
};

class VulkanPipelines {
 public:
  // With what the last run left in options().cache_folder; a file that is damaged or another
  // driver's is as none.
  explicit VulkanPipelines(VulkanDevice& device);
  // Keeps what was made since.
  ~VulkanPipelines();

  // The pipeline of that shader with these specialization constants (ids 0, 1, ...); the same
  // object for the same question, as long as this lives.
  Result<const VulkanPipeline*> get(std::string_view shader, std::vector<uint32_t> constants = {});

 private:
  Result<VulkanPipeline> make(const VulkanShader& shader, std::span<const uint32_t> constants);
  Result<> make_layouts(VulkanPipeline& made);
  void destroy(VulkanPipeline& pipeline);
  void keep() const;

  VulkanDevice& device_;
  std::string cache_path_;  // empty: none
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  bool made_new_ = false;
  std::map<std::pair<std::string_view, std::vector<uint32_t>>, VulkanPipeline> made_;
};

}  // namespace weft::kernels

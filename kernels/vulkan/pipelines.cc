#include "kernels/vulkan/pipelines.h"

#include <algorithm>

#include "base/assert.h"
#include "base/text.h"

namespace weft::kernels {

VulkanPipelines::~VulkanPipelines() {
  for (auto& [key, pipeline] : made_) destroy(pipeline);
}

Result<const VulkanPipeline*> VulkanPipelines::get(std::string_view shader,
                                                   std::vector<uint32_t> constants) {
  const auto known = made_.find(std::pair(shader, constants));
  if (known != made_.end()) return &known->second;
  const auto all = vulkan_shaders();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const VulkanShader& s) { return s.name == shader; });
  WEFT_ASSERT(found != all.end());
  WEFT_TRY(const VulkanPipeline pipeline, make(*found, constants));
  return &made_.emplace(std::pair(found->name, std::move(constants)), pipeline).first->second;
}

Result<VulkanPipeline> VulkanPipelines::make(const VulkanShader& shader,
                                             std::span<const uint32_t> constants) {
  const DeviceCalls& vk = device_.vk();
  VulkanPipeline made;
  made.bindings = shader.bindings;
  if (auto layouts = make_layouts(made); !layouts.ok()) {
    destroy(made);
    return std::move(layouts).error();
  }
  auto code = vulkan_struct<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  code.codeSize = shader.code.size_bytes();
  code.pCode = shader.code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  VkResult result = vk.CreateShaderModule(device_.get(), &code, nullptr, &module);
  if (result == VK_SUCCESS) {
    std::vector<VkSpecializationMapEntry> entries;
    for (uint32_t i = 0; i < constants.size(); ++i) entries.push_back({i, 4 * i, 4});
    const VkSpecializationInfo special{uint32_t(entries.size()), entries.data(),
                                       constants.size_bytes(), constants.data()};
    auto info =
        vulkan_struct<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
    info.stage = vulkan_struct<VkPipelineShaderStageCreateInfo>(
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module;
    info.stage.pName = "main";
    info.stage.pSpecializationInfo = &special;
    info.layout = made.layout;
    result = vk.CreateComputePipelines(device_.get(), VK_NULL_HANDLE, 1, &info, nullptr,
                                       &made.pipeline);
    vk.DestroyShaderModule(device_.get(), module, nullptr);
  }
  if (result == VK_SUCCESS) return made;
  destroy(made);
  return vulkan_error(cat("make the pipeline ", shader.name), result);
}

Result<> VulkanPipelines::make_layouts(VulkanPipeline& made) {
  const DeviceCalls& vk = device_.vk();
  std::vector<VkDescriptorSetLayoutBinding> bindings;
  for (uint32_t i = 0; i < made.bindings; ++i) {
    bindings.push_back(
        {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
  }
  auto set = vulkan_struct<VkDescriptorSetLayoutCreateInfo>(
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
  set.bindingCount = uint32_t(bindings.size());
  set.pBindings = bindings.data();
  VkResult result = vk.CreateDescriptorSetLayout(device_.get(), &set, nullptr, &made.set_layout);
  if (result != VK_SUCCESS) return vulkan_error("make a descriptor layout", result);
  const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 * kVulkanPushWords};
  auto layout =
      vulkan_struct<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  layout.setLayoutCount = 1;
  layout.pSetLayouts = &made.set_layout;
  layout.pushConstantRangeCount = 1;
  layout.pPushConstantRanges = &push;
  result = vk.CreatePipelineLayout(device_.get(), &layout, nullptr, &made.layout);
  if (result != VK_SUCCESS) return vulkan_error("make a pipeline layout", result);
  return {};
}

void VulkanPipelines::destroy(VulkanPipeline& pipeline) {
  const DeviceCalls& vk = device_.vk();
  if (pipeline.pipeline) vk.DestroyPipeline(device_.get(), pipeline.pipeline, nullptr);
  if (pipeline.layout) vk.DestroyPipelineLayout(device_.get(), pipeline.layout, nullptr);
  if (pipeline.set_layout) {
    vk.DestroyDescriptorSetLayout(device_.get(), pipeline.set_layout, nullptr);
  }
}

}  // namespace weft::kernels

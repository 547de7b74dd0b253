#include "kernels/vulkan/pipelines.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/text.h"

namespace weft::kernels {
namespace {

// Before the driver's bytes in a cache file: this, and their checksum. Drivers believe what they
// are given.
constexpr std::string_view kMagic = "weftpipe";
constexpr size_t kHeaderBytes = 16;

// FNV-1a: Fowler, Noll, Vo.
uint64_t checksum(ByteView bytes) {
  uint64_t sum = 0xcbf29ce484222325;
  for (const uint8_t byte : bytes) sum = (sum ^ byte) * 0x100000001b3;
  return sum;
}

std::string cache_file(const VulkanDevice& device) {
  if (device.options().cache_folder.empty()) return "";
  const VkPhysicalDeviceProperties& of = device.properties();
  return cat(device.options().cache_folder, "/", of.vendorID, "-", of.deviceID, "-",
             of.driverVersion, "-", hex(of.pipelineCacheUUID, VK_UUID_SIZE), ".pipelines");
}

// The driver's bytes; none if there is no such file or it is damaged.
Bytes read_cache(const std::string& path) {
  auto file = read_file(path, kPipelineCacheBytesMax);
  if (!file.ok() || file->size() < kHeaderBytes) return {};
  uint64_t stored;
  std::memcpy(&stored, file->data() + kMagic.size(), sizeof stored);
  const ByteView bytes = ByteView(*file).subspan(kHeaderBytes);
  const bool good = std::memcmp(file->data(), kMagic.data(), kMagic.size()) == 0 &&
                    stored == checksum(bytes);
  return good ? Bytes(bytes.begin(), bytes.end()) : Bytes();
}

}  // namespace

VulkanPipelines::VulkanPipelines(VulkanDevice& device)
    : device_(device), cache_path_(cache_file(device)) {
  if (cache_path_.empty()) return;
  const Bytes bytes = read_cache(cache_path_);
  auto info =
      vulkan_struct<VkPipelineCacheCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
  info.initialDataSize = bytes.size();
  info.pInitialData = bytes.data();
  const DeviceCalls& vk = device_.vk();
  if (vk.CreatePipelineCache(device_.get(), &info, nullptr, &cache_) == VK_SUCCESS) return;
  info.initialDataSize = 0;
  if (vk.CreatePipelineCache(device_.get(), &info, nullptr, &cache_) != VK_SUCCESS) {
    cache_ = VK_NULL_HANDLE;
  }
}

VulkanPipelines::~VulkanPipelines() {
  if (cache_ && made_new_) keep();
  for (auto& [key, pipeline] : made_) destroy(pipeline);
  if (cache_) device_.vk().DestroyPipelineCache(device_.get(), cache_, nullptr);
}

void VulkanPipelines::keep() const {
  const DeviceCalls& vk = device_.vk();
  size_t size = 0;
  vk.GetPipelineCacheData(device_.get(), cache_, &size, nullptr);
  if (size == 0 || size > kPipelineCacheBytesMax - kHeaderBytes) return;
  Bytes file(kHeaderBytes + size);
  if (vk.GetPipelineCacheData(device_.get(), cache_, &size, file.data() + kHeaderBytes) !=
      VK_SUCCESS) {
    return;
  }
  file.resize(kHeaderBytes + size);
  const uint64_t sum = checksum(ByteView(file).subspan(kHeaderBytes));
  std::memcpy(file.data(), kMagic.data(), kMagic.size());
  std::memcpy(file.data() + kMagic.size(), &sum, sizeof sum);
  auto kept = make_folder(device_.options().cache_folder);
  if (kept.ok()) kept = write_file_atomic(cache_path_, file);
  if (!kept.ok()) log_debug("vulkan.cache", {{"error", kept.error().message}});
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
  made.shader = shader.name;
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
    auto size = vulkan_struct<VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT>(
        VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT);
    size.requiredSubgroupSize = device_.matrices().subgroup;
    if (shader.needs_matrices() && device_.matrices().sized) {
      info.stage.pNext = &size;
      info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
    }
    info.layout = made.layout;
    result = vk.CreateComputePipelines(device_.get(), cache_, 1, &info, nullptr,
                                       &made.pipeline);
    vk.DestroyShaderModule(device_.get(), module, nullptr);
  }
  if (result == VK_SUCCESS) {
    made_new_ = true;
    return made;
  }
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

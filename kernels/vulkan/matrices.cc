#include "kernels/vulkan/matrices.h"

#include <algorithm>

namespace weft::kernels {
namespace {

constexpr const char* kMatrices = "VK_KHR_cooperative_matrix";  // newer than the headers
constexpr const char* kModel = VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME;
constexpr const char* kSmall = VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME;
constexpr const char* kSizes = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;

// Numbers of VkComponentTypeKHR and VkScopeKHR.
constexpr uint32_t kFloat16 = 0, kFloat32 = 1, kSint8 = 3, kSint32 = 5;
constexpr uint32_t kSubgroupScope = 3;

// A workgroup of matmul_matrix.comp: at most four subgroups, and this much shared memory.
constexpr uint32_t kSubgroupsMax = 4;
constexpr uint32_t kSharedBytes = 24576;
constexpr size_t kShapesMax = 1024;

MatrixShape largest(std::span<const VulkanMatrixProperties> list, uint32_t factors, uint32_t sums,
                    uint32_t m_max, uint32_t n_max, uint32_t k_max) {
  const auto divides = [](uint32_t value, uint32_t most) {
    return value >= 8 && most % value == 0;
  };
  MatrixShape best;
  for (const VulkanMatrixProperties& one : list) {
    const bool typed = one.a_type == factors && one.b_type == factors && one.c_type == sums &&
                       one.result_type == sums && !one.saturates && one.scope == kSubgroupScope;
    const bool fits = divides(one.m, m_max) && divides(one.n, n_max) && divides(one.k, k_max);
    if (typed && fits && one.m * one.n * one.k > best.m * best.n * best.k) {
      best = {one.m, one.n, one.k};
    }
  }
  return best;
}

std::vector<VulkanMatrixProperties> list_shapes(const InstanceCalls& calls,
                                                VkPhysicalDevice physical) {
  uint32_t count = 0;
  calls.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical, &count, nullptr);
  count = uint32_t(std::min<size_t>(count, kShapesMax));
  std::vector<VulkanMatrixProperties> list(count);
  calls.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical, &count, list.data());
  list.resize(std::min<size_t>(count, list.size()));
  return list;
}

// Whether subgroups may be asked to be as large as they are by default, and full.
bool may_be_sized(const InstanceCalls& calls, VkPhysicalDevice physical, uint32_t size) {
  if (!has_extension(calls, physical, kSizes)) return false;
  auto sizes = vulkan_struct<VkPhysicalDeviceSubgroupSizeControlFeaturesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT);
  auto features =
      vulkan_struct<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  features.pNext = &sizes;
  calls.GetPhysicalDeviceFeatures2(physical, &features);
  auto limits = vulkan_struct<VkPhysicalDeviceSubgroupSizeControlPropertiesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT);
  auto properties =
      vulkan_struct<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  properties.pNext = &limits;
  calls.GetPhysicalDeviceProperties2(physical, &properties);
  return sizes.subgroupSizeControl && sizes.computeFullSubgroups &&
         (limits.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
         size >= limits.minSubgroupSize && size <= limits.maxSubgroupSize &&
         limits.maxComputeWorkgroupSubgroups >= kSubgroupsMax;
}

uint32_t subgroup_size(const InstanceCalls& calls, VkPhysicalDevice physical) {
  auto subgroups = vulkan_struct<VkPhysicalDeviceSubgroupProperties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  auto properties =
      vulkan_struct<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  properties.pNext = &subgroups;
  calls.GetPhysicalDeviceProperties2(physical, &properties);
  return subgroups.subgroupSize;
}

// Which types of the shaders the device has.
struct Supported {
  bool matrices = false, bytes = false, halves = false;
};
Supported supported(const InstanceCalls& calls, VkPhysicalDevice physical) {
  VulkanMatrixFeatures matrices;
  auto small = vulkan_struct<VkPhysicalDeviceShaderFloat16Int8Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
  small.pNext = &matrices;
  auto model = vulkan_struct<VkPhysicalDeviceVulkanMemoryModelFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
  model.pNext = &small;
  auto features =
      vulkan_struct<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  features.pNext = &model;
  calls.GetPhysicalDeviceFeatures2(physical, &features);
  return {matrices.matrices && model.vulkanMemoryModel, bool(small.shaderInt8),
          bool(small.shaderFloat16)};
}

}  // namespace

bool has_extension(const InstanceCalls& calls, VkPhysicalDevice physical, std::string_view wanted) {
  uint32_t count = 0;
  calls.EnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  calls.EnumerateDeviceExtensionProperties(physical, nullptr, &count, extensions.data());
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](const VkExtensionProperties& e) { return wanted == e.extensionName; });
}

MatrixShape bytes_shape(std::span<const VulkanMatrixProperties> list) {
  return largest(list, kSint8, kSint32, 32, 16, 32);
}

MatrixShape halves_shape(std::span<const VulkanMatrixProperties> list) {
  return largest(list, kFloat16, kFloat32, 32, 32, 32);
}

VulkanMatrices find_matrices(const InstanceCalls& calls, VkPhysicalDevice physical,
                             const VkPhysicalDeviceLimits& limits) {
  VulkanMatrices found;
  const bool listed = calls.GetPhysicalDeviceCooperativeMatrixPropertiesKHR != nullptr;
  for (const char* extension : {kMatrices, kModel, kSmall}) {
    if (!listed || !has_extension(calls, physical, extension)) {
      found.absent = "the device has no cooperative matrices";
      return found;
    }
  }
  const Supported has = supported(calls, physical);
  if (!has.matrices) {
    found.absent = "the device's driver does not offer its cooperative matrices";
    return found;
  }
  const std::vector<VulkanMatrixProperties> shapes = list_shapes(calls, physical);
  found.subgroup = subgroup_size(calls, physical);
  found.sized = may_be_sized(calls, physical, found.subgroup);
  const bool fits = found.subgroup >= 8 && found.subgroup <= 64 && found.subgroup % 8 == 0 &&
                    limits.maxComputeWorkGroupInvocations >= kSubgroupsMax * found.subgroup &&
                    limits.maxComputeWorkGroupSize[0] >= kSubgroupsMax * found.subgroup &&
                    limits.maxComputeSharedMemorySize >= kSharedBytes;
  if (has.bytes && fits) found.bytes = bytes_shape(shapes);
  if (has.halves && fits) found.halves = halves_shape(shapes);
  if (!found.bytes && !found.halves) {
    found.absent = "no shape of the device's cooperative matrices is one that weft uses";
  }
  return found;
}

MatrixFeatures::MatrixFeatures(const VulkanMatrices& matrices, void* next)
    : model_(vulkan_struct<VkPhysicalDeviceVulkanMemoryModelFeatures>(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES)),
      small_(vulkan_struct<VkPhysicalDeviceShaderFloat16Int8Features>(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES)),
      sizes_(vulkan_struct<VkPhysicalDeviceSubgroupSizeControlFeaturesEXT>(
          VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT)),
      extensions_{kModel, kSmall, kMatrices} {
  model_.vulkanMemoryModel = VK_TRUE;
  model_.pNext = &small_;
  small_.shaderInt8 = bool(matrices.bytes);
  small_.shaderFloat16 = bool(matrices.halves);
  small_.pNext = &matrices_;
  matrices_.matrices = VK_TRUE;
  matrices_.next = matrices.sized ? &sizes_ : next;
  sizes_.subgroupSizeControl = VK_TRUE;
  sizes_.computeFullSubgroups = VK_TRUE;
  sizes_.pNext = next;
  if (matrices.sized) extensions_.push_back(kSizes);
}

}  // namespace weft::kernels

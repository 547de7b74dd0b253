// The calls of Vulkan 1.1 that weft makes, found at run time: a machine without a Vulkan loader
// runs the same program and computes on its processor.
// Source: the Vulkan 1.1 specification; VK_EXT_debug_utils for the validation layer's messages.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "base/result.h"

namespace weft::kernels {

// clang-format off
#define WEFT_VULKAN_GLOBAL_CALLS(X) \
  X(CreateInstance) X(EnumerateInstanceLayerProperties) X(EnumerateInstanceVersion)
#define WEFT_VULKAN_INSTANCE_CALLS(X) \
  X(DestroyInstance) X(EnumeratePhysicalDevices) X(GetPhysicalDeviceProperties2) \
  X(GetPhysicalDeviceFeatures2) \
  X(GetPhysicalDeviceMemoryProperties) X(GetPhysicalDeviceQueueFamilyProperties) \
  X(EnumerateDeviceExtensionProperties) X(CreateDevice) X(GetDeviceProcAddr)
#define WEFT_VULKAN_DEVICE_CALLS(X) \
  X(DestroyDevice) X(GetDeviceQueue) X(CreateBuffer) X(DestroyBuffer) \
  X(GetBufferMemoryRequirements) X(AllocateMemory) X(FreeMemory) X(BindBufferMemory) \
  X(MapMemory) X(CreateShaderModule) X(DestroyShaderModule) \
  X(CreateDescriptorSetLayout) X(DestroyDescriptorSetLayout) X(CreatePipelineLayout) \
  X(DestroyPipelineLayout) X(CreateComputePipelines) X(DestroyPipeline) X(CreatePipelineCache) \
  X(DestroyPipelineCache) X(GetPipelineCacheData) X(CreateDescriptorPool) \
  X(DestroyDescriptorPool) X(AllocateDescriptorSets) X(UpdateDescriptorSets) \
  X(CreateCommandPool) X(DestroyCommandPool) X(AllocateCommandBuffers) X(FreeCommandBuffers) \
  X(BeginCommandBuffer) X(EndCommandBuffer) X(CmdBindPipeline) X(CmdBindDescriptorSets) \
  X(CmdPushConstants) X(CmdDispatch) X(CmdPipelineBarrier) X(CmdCopyBuffer) X(QueueSubmit) \
  X(CreateQueryPool) X(DestroyQueryPool) \
  X(GetQueryPoolResults) X(CmdResetQueryPool) X(CmdWriteTimestamp) X(CreateFence) \
  X(DestroyFence) X(WaitForFences) X(ResetFences) X(DeviceWaitIdle)
// clang-format on

#define WEFT_VULKAN_MEMBER(name) PFN_vk##name name = nullptr;

struct VulkanLoader {
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  WEFT_VULKAN_GLOBAL_CALLS(WEFT_VULKAN_MEMBER)

  // The system's loader; the same for the whole life of the process. kUnsupported if it has none.
  static Result<VulkanLoader> open();
};

// VK_KHR_cooperative_matrix is newer than the headers of some systems. Laid out as its
// VkCooperativeMatrixPropertiesKHR.
struct VulkanMatrixProperties {
  VkStructureType type = VkStructureType(1000506001);
  void* next = nullptr;
  uint32_t m = 0, n = 0, k = 0;
  uint32_t a_type = 0, b_type = 0, c_type = 0, result_type = 0;  // VkComponentTypeKHR
  VkBool32 saturates = VK_FALSE;
  uint32_t scope = 0;  // VkScopeKHR
};
// As its VkPhysicalDeviceCooperativeMatrixFeaturesKHR.
struct VulkanMatrixFeatures {
  VkStructureType type = VkStructureType(1000506000);
  void* next = nullptr;
  VkBool32 matrices = VK_FALSE;
  VkBool32 robust_access = VK_FALSE;
};
#ifdef VK_KHR_cooperative_matrix
static_assert(sizeof(VulkanMatrixProperties) == sizeof(VkCooperativeMatrixPropertiesKHR) &&
              sizeof(VulkanMatrixFeatures) == sizeof(VkPhysicalDeviceCooperativeMatrixFeaturesKHR));
#endif

struct InstanceCalls {
  WEFT_VULKAN_INSTANCE_CALLS(WEFT_VULKAN_MEMBER)
  // Null without VK_EXT_debug_utils.
  PFN_vkCreateDebugUtilsMessengerEXT CreateDebugUtilsMessengerEXT = nullptr;
  PFN_vkDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessengerEXT = nullptr;
  // Null without VK_KHR_cooperative_matrix; what it fills is VulkanMatrixProperties.
  VkResult(VKAPI_PTR* GetPhysicalDeviceCooperativeMatrixPropertiesKHR)(
      VkPhysicalDevice physical, uint32_t* count, VulkanMatrixProperties* properties) = nullptr;

  Result<> load(const VulkanLoader& loader, VkInstance instance);
};

struct DeviceCalls {
  WEFT_VULKAN_DEVICE_CALLS(WEFT_VULKAN_MEMBER)

  Result<> load(const InstanceCalls& calls, VkDevice device);
};

#undef WEFT_VULKAN_MEMBER

// A structure of Vulkan's with its type set and the rest zero.
template <typename T>
T vulkan_struct(VkStructureType type) {
  T made{};
  made.sType = type;
  return made;
}

// "VK_ERROR_DEVICE_LOST", or the number of a result without a name here.
std::string vulkan_result_name(VkResult result);

// kExhausted for want of memory, kUnavailable for a lost device, kInternal otherwise; `what` names
// the call.
Error vulkan_error(std::string_view what, VkResult result);

}  // namespace weft::kernels

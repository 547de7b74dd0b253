#include "kernels/vulkan/api.h"

#include <dlfcn.h>

#include "base/text.h"

namespace weft::kernels {
namespace {

constexpr const char* kLibraries[] = {"libvulkan.so.1", "libvulkan.so"};

Error missing_call(std::string_view name) {
  return Error(ErrorCode::kUnsupported, cat("the Vulkan driver lacks vk", name));
}

}  // namespace

Result<VulkanLoader> VulkanLoader::open() {
  void* library = nullptr;
  for (const char* name : kLibraries) {
    if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    return Error(ErrorCode::kUnsupported,
                 "no Vulkan loader (libvulkan.so.1) is installed; install the one of the device's "
                 "driver, or use --backend cpu");
  }
  VulkanLoader loader;
  loader.GetInstanceProcAddr =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  if (loader.GetInstanceProcAddr == nullptr) return missing_call("GetInstanceProcAddr");
#define WEFT_VULKAN_FIND(name)                                                            \
  loader.name = reinterpret_cast<PFN_vk##name>(loader.GetInstanceProcAddr(nullptr, "vk" #name)); \
  if (loader.name == nullptr) return missing_call(#name);
  WEFT_VULKAN_GLOBAL_CALLS(WEFT_VULKAN_FIND)
#undef WEFT_VULKAN_FIND
  return loader;
}

Result<> InstanceCalls::load(const VulkanLoader& loader, VkInstance instance) {
#define WEFT_VULKAN_FIND(name)                                                       \
  name = reinterpret_cast<PFN_vk##name>(loader.GetInstanceProcAddr(instance, "vk" #name)); \
  if (name == nullptr) return missing_call(#name);
  WEFT_VULKAN_INSTANCE_CALLS(WEFT_VULKAN_FIND)
#undef WEFT_VULKAN_FIND
  CreateDebugUtilsMessengerEXT = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
      loader.GetInstanceProcAddr(instance, "vkCreateDebugUtilsMessengerEXT"));
  DestroyDebugUtilsMessengerEXT = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
      loader.GetInstanceProcAddr(instance, "vkDestroyDebugUtilsMessengerEXT"));
  GetPhysicalDeviceCooperativeMatrixPropertiesKHR =
      reinterpret_cast<decltype(GetPhysicalDeviceCooperativeMatrixPropertiesKHR)>(
          loader.GetInstanceProcAddr(instance,
                                     "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  return {};
}

Result<> DeviceCalls::load(const InstanceCalls& calls, VkDevice device) {
#define WEFT_VULKAN_FIND(name)                                                     \
  name = reinterpret_cast<PFN_vk##name>(calls.GetDeviceProcAddr(device, "vk" #name)); \
  if (name == nullptr) return missing_call(#name);
  WEFT_VULKAN_DEVICE_CALLS(WEFT_VULKAN_FIND)
#undef WEFT_VULKAN_FIND
  return {};
}

std::string vulkan_result_name(VkResult result) {
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_DEVICE_LOST: return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_INITIALIZATION_FAILED: return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT: return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS: return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_TIMEOUT: return "VK_TIMEOUT";
    default: return cat("VkResult ", int(result));
  }
}

Error vulkan_error(std::string_view what, VkResult result) {
  ErrorCode code = ErrorCode::kInternal;
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS: code = ErrorCode::kExhausted; break;
    case VK_ERROR_DEVICE_LOST:
    case VK_TIMEOUT: code = ErrorCode::kUnavailable; break;
    default: break;
  }
  return Error(code, cat("vulkan: ", what, ": ", vulkan_result_name(result)));
}

}  // namespace weft::kernels

#include "kernels/vulkan/device.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "kernels/vulkan/pipelines.h"

namespace weft::kernels {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";
constexpr const char* kDotExtension = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
constexpr const char* kMatrixExtension = "VK_KHR_cooperative_matrix";  // newer than the headers
constexpr size_t kNameBytesMax = 128;
constexpr uint32_t kApiVersion = VK_API_VERSION_1_1;

VulkanDeviceKind kind_of(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return VulkanDeviceKind::kDiscrete;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return VulkanDeviceKind::kIntegrated;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return VulkanDeviceKind::kVirtual;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return VulkanDeviceKind::kCpu;
    default: return VulkanDeviceKind::kOther;
  }
}

// Whose memory a heap is: an integrated device's is the system's, and just as good.
uint64_t own_memory(const VkPhysicalDeviceMemoryProperties& memory) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
    const VkMemoryHeap& heap = memory.memoryHeaps[i];
    if (heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) most = std::max(most, uint64_t{heap.size});
  }
  return most;
}

bool has_layer(const VulkanLoader& loader, std::string_view wanted) {
  uint32_t count = 0;
  loader.EnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  loader.EnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [&](const VkLayerProperties& l) { return wanted == l.layerName; });
}

std::string list_names(const std::vector<VulkanDeviceInfo>& devices) {
  std::string text;
  for (const VulkanDeviceInfo& device : devices) {
    text += cat(text.empty() ? "" : ", ", device.index, " ", device.name, " (",
                vulkan_device_kind_name(device.kind), ")");
  }
  return text.empty() ? "none" : text;
}

// Better ones are greater.
auto rank(const VulkanDeviceInfo& device) {
  return std::pair(-int(device.kind), device.memory_bytes);
}

}  // namespace

std::string_view vulkan_device_kind_name(VulkanDeviceKind kind) {
  switch (kind) {
    case VulkanDeviceKind::kDiscrete: return "discrete";
    case VulkanDeviceKind::kIntegrated: return "integrated";
    case VulkanDeviceKind::kVirtual: return "virtual";
    case VulkanDeviceKind::kCpu: return "cpu";
    case VulkanDeviceKind::kOther: break;
  }
  return "other";
}

Result<std::unique_ptr<VulkanInstance>> VulkanInstance::create(bool validate) {
  WEFT_TRY(const VulkanLoader loader, VulkanLoader::open());
  auto application = vulkan_struct<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.pApplicationName = "weft";
  application.apiVersion = kApiVersion;
  auto info = vulkan_struct<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  if (validate) {
    if (!has_layer(loader, kValidationLayer)) {
      return Error(ErrorCode::kUnsupported, "the Vulkan validation layer is not installed");
    }
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &kValidationLayer;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &extension;
  }
  std::unique_ptr<VulkanInstance> made(new VulkanInstance());
  const VkResult created = loader.CreateInstance(&info, nullptr, &made->instance_);
  if (created != VK_SUCCESS) {
    return Error(ErrorCode::kUnsupported, cat("no Vulkan driver is installed (",
                                              vulkan_result_name(created),
                                              "); use --backend cpu"));
  }
  WEFT_CHECK(made->calls_.load(loader, made->instance_));
  if (validate) made->listen();
  return made;
}

VulkanInstance::~VulkanInstance() {
  if (messenger_) calls_.DestroyDebugUtilsMessengerEXT(instance_, messenger_, nullptr);
  if (instance_ && calls_.DestroyInstance) calls_.DestroyInstance(instance_, nullptr);
}

void VulkanInstance::listen() {
  if (calls_.CreateDebugUtilsMessengerEXT == nullptr) return;
  auto info = vulkan_struct<VkDebugUtilsMessengerCreateInfoEXT>(
      VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT);
  info.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                         VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  info.pfnUserCallback = on_complaint;
  info.pUserData = this;
  (void)calls_.CreateDebugUtilsMessengerEXT(instance_, &info, nullptr, &messenger_);
}

VKAPI_ATTR VkBool32 VKAPI_CALL VulkanInstance::on_complaint(
    VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
    const VkDebugUtilsMessengerCallbackDataEXT* data, void* self) {
  ++static_cast<VulkanInstance*>(self)->complaints_;
  log_error("vulkan.validation", {{"message", printable(data->pMessage, 2000)}});
  return VK_FALSE;
}

Result<std::vector<VkPhysicalDevice>> VulkanInstance::physical_devices() const {
  uint32_t count = kVulkanDevicesMax;
  std::vector<VkPhysicalDevice> devices(count);
  const VkResult listed = calls_.EnumeratePhysicalDevices(instance_, &count, devices.data());
  if (listed != VK_SUCCESS && listed != VK_INCOMPLETE) {
    return vulkan_error("list devices", listed);
  }
  devices.resize(count);
  return devices;
}

VulkanDeviceInfo VulkanInstance::describe(VkPhysicalDevice physical, uint32_t index) const {
  auto properties =
      vulkan_struct<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  auto driver = vulkan_struct<VkPhysicalDeviceDriverProperties>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
  properties.pNext = &driver;  // ignored by devices that do not know it
  calls_.GetPhysicalDeviceProperties2(physical, &properties);
  VkPhysicalDeviceMemoryProperties memory;
  calls_.GetPhysicalDeviceMemoryProperties(physical, &memory);
  VulkanDeviceInfo info;
  info.index = index;
  info.name = printable(properties.properties.deviceName, kNameBytesMax);
  info.driver = printable(cat(driver.driverName, " ", driver.driverInfo), kNameBytesMax);
  info.kind = kind_of(properties.properties.deviceType);
  info.memory_bytes = own_memory(memory);
  info.api_version = properties.properties.apiVersion;
  info.cooperative_matrices = has_extension(calls_, physical, kMatrixExtension);
  return info;
}

Result<std::vector<VulkanDeviceInfo>> list_vulkan_devices() {
  WEFT_TRY(const auto instance, VulkanInstance::create(false));
  WEFT_TRY(const std::vector<VkPhysicalDevice> devices, instance->physical_devices());
  std::vector<VulkanDeviceInfo> found;
  for (uint32_t i = 0; i < devices.size(); ++i) found.push_back(instance->describe(devices[i], i));
  return found;
}

Result<std::unique_ptr<VulkanDevice>> VulkanDevice::open(const VulkanOptions& options) {
  std::unique_ptr<VulkanDevice> made(new VulkanDevice());
  made->options_ = options;
  WEFT_TRY(made->instance_, VulkanInstance::create(options.validate));
  WEFT_CHECK(made->choose(options));
  WEFT_CHECK(made->create());
  return made;
}

Result<> VulkanDevice::choose(const VulkanOptions& options) {
  WEFT_TRY(const std::vector<VkPhysicalDevice> devices, instance_->physical_devices());
  std::vector<VulkanDeviceInfo> all, fitting;
  for (uint32_t i = 0; i < devices.size(); ++i) all.push_back(instance_->describe(devices[i], i));
  for (const VulkanDeviceInfo& device : all) {
    const bool named = options.device == std::to_string(device.index) ||
                       (!options.device.empty() &&
                        device.name.find(options.device) != std::string::npos);
    const bool any = options.device.empty() &&
                     (options.allow_cpu || device.kind != VulkanDeviceKind::kCpu) &&
                     (!options.only_gpus || device.kind <= VulkanDeviceKind::kIntegrated);
    if (device.api_version >= kApiVersion && (named || any)) fitting.push_back(device);
  }
  if (fitting.empty()) {
    return Error(ErrorCode::kNotFound,
                 cat(options.device.empty() ? "no GPU with Vulkan 1.1"
                                            : cat("no Vulkan device '", options.device, "'"),
                     "; there is: ", list_names(all),
                     options.only_gpus && options.device.empty()
                         ? ""
                         : ". Choose one with --vulkan-device, or use --backend cpu"));
  }
  info_ = *std::max_element(fitting.begin(), fitting.end(), [](const auto& a, const auto& b) {
    return rank(a) < rank(b);
  });
  physical_ = devices[info_.index];
  auto properties =
      vulkan_struct<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  instance_->calls().GetPhysicalDeviceProperties2(physical_, &properties);
  properties_ = properties.properties;
  instance_->calls().GetPhysicalDeviceMemoryProperties(physical_, &memory_);
  return {};
}

// A device may have these dot products for the shaders' convenience only.
bool VulkanDevice::wants_dots() const {
  const InstanceCalls& calls = instance_->calls();
  const bool known = has_extension(calls, physical_, kDotExtension);
  if (!known || options_.dots == VulkanOptions::Dots::kNever) return false;
  auto dot_features = vulkan_struct<VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR);
  auto features =
      vulkan_struct<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  features.pNext = &dot_features;
  calls.GetPhysicalDeviceFeatures2(physical_, &features);
  auto dot_properties = vulkan_struct<VkPhysicalDeviceShaderIntegerDotProductPropertiesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES_KHR);
  auto properties =
      vulkan_struct<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  properties.pNext = &dot_properties;
  calls.GetPhysicalDeviceProperties2(physical_, &properties);
  return dot_features.shaderIntegerDotProduct &&
         (dot_properties.integerDotProduct4x8BitPackedSignedAccelerated ||
          options_.dots == VulkanOptions::Dots::kIfThere);
}

VulkanMatrices VulkanDevice::wanted_matrices() const {
  VulkanMatrices none;
  if (options_.plain_shape) {
    none.bytes = options_.plain_shape;
    none.subgroup = options_.plain_subgroup;
    none.absent = "they are made of plain instructions";
  } else if (!has_matrix_shaders()) {
    none.absent = "the build has none: its glslc does not know GL_KHR_cooperative_matrix";
  } else if (options_.matrices == VulkanOptions::Matrices::kNever) {
    none.absent = "they were not asked for";
  } else {
    return find_matrices(instance_->calls(), physical_, limits());
  }
  return none;
}

Result<> VulkanDevice::create() {
  const InstanceCalls& calls = instance_->calls();
  uint32_t count = 0;
  calls.GetPhysicalDeviceQueueFamilyProperties(physical_, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  calls.GetPhysicalDeviceQueueFamilyProperties(physical_, &count, families.data());
  const auto family = std::find_if(families.begin(), families.end(), [](const auto& f) {
    return f.queueFlags & VK_QUEUE_COMPUTE_BIT;
  });
  if (family == families.end()) {
    return Error(ErrorCode::kUnsupported, cat("the Vulkan device ", info_.name, " cannot compute"));
  }
  queue_family_ = uint32_t(family - families.begin());
  timestamp_bits_ = family->timestampValidBits;
  const float priority = 1;
  auto queue = vulkan_struct<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queue.queueFamilyIndex = queue_family_;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  auto info = vulkan_struct<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  std::vector<const char*> extensions;
  auto dots = vulkan_struct<VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR);
  dots.shaderIntegerDotProduct = VK_TRUE;
  dots_ = wants_dots();
  if (dots_) {
    info.pNext = &dots;
    extensions.push_back(kDotExtension);
  }
  matrices_ = wanted_matrices();
  MatrixFeatures matrices(matrices_, const_cast<void*>(info.pNext));
  if (matrices_.absent.empty()) {
    info.pNext = matrices.first();
    extensions.insert(extensions.end(), matrices.extensions().begin(), matrices.extensions().end());
  }
  info.enabledExtensionCount = uint32_t(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  const VkResult created = calls.CreateDevice(physical_, &info, nullptr, &device_);
  if (created != VK_SUCCESS) return vulkan_error(cat("open ", info_.name), created);
  WEFT_CHECK(vk_.load(calls, device_));
  vk_.GetDeviceQueue(device_, queue_family_, 0, &queue_);
  return {};
}

VulkanDevice::~VulkanDevice() {
  if (device_ && vk_.DestroyDevice) {
    vk_.DeviceWaitIdle(device_);
    vk_.DestroyDevice(device_, nullptr);
  }
}

}  // namespace weft::kernels

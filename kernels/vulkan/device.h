// A Vulkan device: which there are, and one that is open. One queue, used by one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/vulkan/matrices.h"

namespace weft::kernels {

inline constexpr size_t kVulkanDevicesMax = 16;

enum class VulkanDeviceKind { kDiscrete, kIntegrated, kVirtual, kCpu, kOther };
std::string_view vulkan_device_kind_name(VulkanDeviceKind kind);

struct VulkanDeviceInfo {
  uint32_t index = 0;  // in the driver's order
  std::string name;    // "NVIDIA H100", of printable characters
  std::string driver;  // "NVIDIA 535.104.05"
  VulkanDeviceKind kind = VulkanDeviceKind::kOther;
  uint64_t memory_bytes = 0;  // of its largest heap that is its own
  uint32_t api_version = 0;
  bool cooperative_matrices = false;  // VK_KHR_cooperative_matrix
};

struct VulkanOptions {
  // By index or by a part of its name; empty: the best one (discrete before integrated, then by
  // memory; one that is the processor in disguise only when named, or with `allow_cpu`).
  std::string device;
  bool allow_cpu = false;
  // If none is named, only a discrete or integrated one.
  bool only_gpus = false;
  bool validate = false;  // with the Khronos validation layer, whose complaints are counted
  // Where pipelines are kept from run to run; empty: nowhere.
  std::string cache_folder;

  // Whether products of many rows use the device's cooperative matrices; not where these were found
  // to compute wrongly.
  enum class Matrices { kIfThere, kNever } matrices = Matrices::kIfThere;

  // For tests: a device whose memory cannot be mapped, whose buffers are small, that multiplies
  // bytes the other way, that makes tiles though it is a processor, that has matrices of this shape
  // for subgroups of this size (in plain instructions), or that is lost once this is set.
  bool unmapped = false;
  bool tiles_on_cpu = false;
  MatrixShape plain_shape;
  uint32_t plain_subgroup = 0;
  enum class Dots { kIfFast, kIfThere, kNever } dots = Dots::kIfFast;
  uint64_t buffer_bytes_max = UINT64_MAX;
  std::shared_ptr<const std::atomic<bool>> lost;
};

// A connection to the loader and its drivers.
class VulkanInstance {
 public:
  // kUnsupported without a loader or driver, or without the layer that `validate` asks for.
  static Result<std::unique_ptr<VulkanInstance>> create(bool validate);
  ~VulkanInstance();
  VulkanInstance(const VulkanInstance&) = delete;
  VulkanInstance& operator=(const VulkanInstance&) = delete;

  const InstanceCalls& calls() const { return calls_; }
  Result<std::vector<VkPhysicalDevice>> physical_devices() const;
  VulkanDeviceInfo describe(VkPhysicalDevice physical, uint32_t index) const;
  // Of the validation layer, so far; it logs them too.
  uint64_t complaints() const { return complaints_; }

 private:
  VulkanInstance() = default;
  void listen();
  static VKAPI_ATTR VkBool32 VKAPI_CALL on_complaint(
      VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
      const VkDebugUtilsMessengerCallbackDataEXT* data, void* self);

  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  InstanceCalls calls_;
  std::atomic<uint64_t> complaints_{0};
};

// All devices, as `weft status` lists them.
Result<std::vector<VulkanDeviceInfo>> list_vulkan_devices();

class VulkanDevice {
 public:
  // kNotFound if none fits `options.device`; it says which there are.
  static Result<std::unique_ptr<VulkanDevice>> open(const VulkanOptions& options);
  ~VulkanDevice();
  VulkanDevice(const VulkanDevice&) = delete;
  VulkanDevice& operator=(const VulkanDevice&) = delete;

  const VulkanOptions& options() const { return options_; }
  const VulkanDeviceInfo& info() const { return info_; }
  const VkPhysicalDeviceLimits& limits() const { return properties_.limits; }
  const VkPhysicalDeviceProperties& properties() const { return properties_; }
  const VkPhysicalDeviceMemoryProperties& memory() const { return memory_; }
  VkDevice get() const { return device_; }
  VkQueue queue() const { return queue_; }
  uint32_t queue_family() const { return queue_family_; }
  // Of the queue's timestamps, valid bits; 0: it has none.
  uint32_t timestamp_bits() const { return timestamp_bits_; }
  // Whether shaders are to use dot products of packed bytes.
  bool dots() const { return dots_; }
  // Whether products of many rows are to pass through the memory that a workgroup shares; that of
  // a processor is the same as any other.
  bool tiles() const { return info_.kind != VulkanDeviceKind::kCpu || options_.tiles_on_cpu; }
  // The cooperative matrices that shaders may use: none if `absent` says why.
  const VulkanMatrices& matrices() const { return matrices_; }
  const DeviceCalls& vk() const { return vk_; }
  uint64_t complaints() const { return instance_->complaints(); }

 private:
  VulkanDevice() = default;
  Result<> choose(const VulkanOptions& options);
  Result<> create();
  bool wants_dots() const;
  VulkanMatrices wanted_matrices() const;

  VulkanOptions options_;
  std::unique_ptr<VulkanInstance> instance_;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  VulkanDeviceInfo info_;
  VkPhysicalDeviceProperties properties_{};
  VkPhysicalDeviceMemoryProperties memory_{};
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  uint32_t queue_family_ = 0;
  uint32_t timestamp_bits_ = 0;
  bool dots_ = false;
  VulkanMatrices matrices_;
  DeviceCalls vk_;
};

}  // namespace weft::kernels

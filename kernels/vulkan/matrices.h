// Cooperative matrices (VK_KHR_cooperative_matrix): what of them a device has that weft can use,
// and what it must be opened with for that.
//
// A subgroup multiplies matrices of one shape: sums [m, n] += a [m, k] * b [k, n]. Which shapes
// there are, and of which types, is each device's own list.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/vulkan/api.h"

namespace weft::kernels {

struct MatrixShape {
  uint32_t m = 0, n = 0, k = 0;  // all 0: the device has none
  explicit operator bool() const { return m != 0; }
  bool operator==(const MatrixShape&) const = default;
};

struct VulkanMatrices {
  MatrixShape bytes;   // int8 by int8 to int32, of a shape that shaders/matmul_matrix.comp takes
  MatrixShape halves;  // float16 by float16 to float32
  uint32_t subgroup = 0;
  bool sized = false;  // a pipeline may ask for subgroups of that size, all of them full
  std::string absent;  // why the device gives neither
};

// The best shape of the list for products of bytes, and for the rate of halves: none if none fits.
MatrixShape bytes_shape(std::span<const VulkanMatrixProperties> list);
MatrixShape halves_shape(std::span<const VulkanMatrixProperties> list);

// What the device has. Of its limits, those of a workgroup of matmul_matrix are asked.
VulkanMatrices find_matrices(const InstanceCalls& calls, VkPhysicalDevice physical,
                             const VkPhysicalDeviceLimits& limits);

// The features of a device that is opened for these: a list of structures that VkDeviceCreateInfo
// can point at. Stays where it is.
class MatrixFeatures {
 public:
  MatrixFeatures(const VulkanMatrices& matrices, void* next);
  MatrixFeatures(const MatrixFeatures&) = delete;
  MatrixFeatures& operator=(const MatrixFeatures&) = delete;

  void* first() { return &model_; }
  const std::vector<const char*>& extensions() const { return extensions_; }

 private:
  VkPhysicalDeviceVulkanMemoryModelFeatures model_;
  VkPhysicalDeviceShaderFloat16Int8Features small_;
  VulkanMatrixFeatures matrices_;
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT sizes_;
  std::vector<const char*> extensions_;
};

bool has_extension(const InstanceCalls& calls, VkPhysicalDevice physical, std::string_view wanted);

}  // namespace weft::kernels

// The vulkan backend as tests open it: any device, a processor in disguise too, which computes as a
// GPU would, under the validation layer where that is installed.
#pragma once

#include <gtest/gtest.h>

#include "kernels/vulkan/backend.h"
#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {

inline VulkanOptions vulkan_options() {
  VulkanOptions options;
  options.allow_cpu = true;
  options.tiles_on_cpu = true;
  options.validate = VulkanInstance::create(true).ok();
  return options;
}

// Null where the machine has no Vulkan device at all.
inline std::unique_ptr<VulkanDevice> vulkan_device(
    const VulkanOptions& options = vulkan_options()) {
  auto made = VulkanDevice::open(options);
  return made.ok() ? *std::move(made) : nullptr;
}
inline std::unique_ptr<VulkanBackend> vulkan_backend(
    const VulkanOptions& options = vulkan_options()) {
  auto made = VulkanBackend::create(options);
  return made.ok() ? *std::move(made) : nullptr;
}

// What is on the buffer after all that was asked for has run.
inline std::vector<float> result(Backend& backend, const Buffer& buffer) {
  EXPECT_TRUE(backend.finish().ok());
  return from_buffer(backend, buffer);
}

}  // namespace weft::kernels

#define WEFT_VULKAN_OR_SKIP(backend)                      \
  const auto backend = ::weft::kernels::vulkan_backend(); \
  if (!backend) GTEST_SKIP() << "no Vulkan device here"
#define WEFT_VULKAN_DEVICE_OR_SKIP(device)              \
  const auto device = ::weft::kernels::vulkan_device(); \
  if (!device) GTEST_SKIP() << "no Vulkan device here"

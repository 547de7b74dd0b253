// The vulkan backend as tests open it: any device, a processor in disguise too, under the
// validation layer where that is installed.
#pragma once

#include <gtest/gtest.h>

#include "kernels/vulkan/backend.h"

namespace weft::kernels {

// Null where the machine has no Vulkan device at all.
inline std::unique_ptr<VulkanBackend> vulkan_backend() {
  auto made = VulkanBackend::create({.device = "", .allow_cpu = true, .validate = true});
  if (!made.ok()) made = VulkanBackend::create({.device = "", .allow_cpu = true});
  if (!made.ok()) return nullptr;
  return *std::move(made);
}

}  // namespace weft::kernels

#define WEFT_VULKAN_OR_SKIP(backend)             \
  const auto backend = ::weft::kernels::vulkan_backend(); \
  if (!backend) GTEST_SKIP() << "no Vulkan device here"

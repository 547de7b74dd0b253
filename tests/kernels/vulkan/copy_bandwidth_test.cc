#include "kernels/vulkan/copy_bandwidth.h"

#include <gtest/gtest.h>

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

TEST(CopyBandwidth, IsMeasuredOnTheDevice) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  const auto measured = measure_copy_bandwidth(*device);
  if (device->timestamp_bits() == 0) {
    EXPECT_EQ(measured.error().code, ErrorCode::kUnsupported);
    return;
  }
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  EXPECT_GT(*measured, 0.1);
  EXPECT_LT(*measured, 100'000);
  EXPECT_EQ(device->complaints(), 0u);
}

TEST(CopyBandwidth, ADeviceOfSmallBuffersIsMeasuredToo) {
  VulkanOptions options = vulkan_options();
  options.buffer_bytes_max = 1 << 20;
  const auto device = vulkan_device(options);
  if (!device || device->timestamp_bits() == 0) GTEST_SKIP() << "no Vulkan device with a clock";
  EXPECT_TRUE(measure_copy_bandwidth(*device).ok());
}

TEST(CopyBandwidth, ALostDeviceIsAnError) {
  VulkanOptions options = vulkan_options();
  options.lost = std::make_shared<std::atomic<bool>>(true);
  const auto device = vulkan_device(options);
  if (!device || device->timestamp_bits() == 0) GTEST_SKIP() << "no Vulkan device with a clock";
  EXPECT_EQ(measure_copy_bandwidth(*device).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weft::kernels

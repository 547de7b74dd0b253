#include "kernels/vulkan/matrix_rate.h"

#include <gtest/gtest.h>

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

constexpr MatrixFactors kBoth[] = {MatrixFactors::kHalves, MatrixFactors::kBytes};

TEST(MatrixRate, IsMeasuredOnTheDeviceOrItSaysWhyNot) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  for (const MatrixFactors factors : kBoth) {
    const auto measured = measure_matrix_rate(*device, factors);
    if (!measured.ok()) {
      EXPECT_EQ(measured.error().code, ErrorCode::kUnsupported);
      EXPECT_FALSE(measured.error().message.empty());
    } else {
      EXPECT_GT(*measured, 1e-6);
      EXPECT_LT(*measured, 100'000);
    }
  }
  EXPECT_EQ(device->complaints(), 0u);
  if (!device->matrices().absent.empty()) GTEST_SKIP() << device->matrices().absent;
}

TEST(MatrixRate, IsNotMeasuredWhereMatricesAreNotWanted) {
  VulkanOptions options = vulkan_options();
  options.matrices = VulkanOptions::Matrices::kNever;
  const auto device = vulkan_device(options);
  if (!device) GTEST_SKIP() << "no Vulkan device here";
  EXPECT_EQ(measure_matrix_rate(*device, MatrixFactors::kHalves).error().message,
            device->matrices().absent);
}

TEST(MatrixRate, ALostDeviceIsAnError) {
  VulkanOptions options = vulkan_options();
  options.lost = std::make_shared<std::atomic<bool>>(true);
  const auto device = vulkan_device(options);
  if (!device || !device->matrices().bytes) GTEST_SKIP() << "no device with matrices of bytes";
  EXPECT_EQ(measure_matrix_rate(*device, MatrixFactors::kBytes).error().code,
            ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weft::kernels

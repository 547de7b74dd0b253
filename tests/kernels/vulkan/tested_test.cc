#include "kernels/vulkan/tested.h"

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

TEST(TestedBackend, IsTheOneThatPassed) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  int tests = 0;
  const auto made = create_tested(vulkan_options(), [&](Backend&) -> Result<> {
    ++tests;
    return {};
  });
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(tests, 1);
  EXPECT_EQ(bool((*made)->device().matrices().bytes), bool(device->matrices().bytes));
}

TEST(TestedBackend, LeavesOutMatricesThatComputeWrongly) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  if (!device->matrices().bytes) GTEST_SKIP() << "no matrices of bytes here";
  const auto made = create_tested(vulkan_options(), [](Backend& backend) -> Result<> {
    if (!static_cast<VulkanBackend&>(backend).device().matrices().bytes) return {};
    return Error(ErrorCode::kInternal, "wrong");
  });
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE((*made)->device().matrices().bytes);
}

TEST(TestedBackend, ADeviceThatIsWrongWithoutThemIsAnError) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  const auto made = create_tested(vulkan_options(), [](Backend&) -> Result<> {
    return Error(ErrorCode::kInternal, "wrong");
  });
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().message, "wrong");
}

}  // namespace
}  // namespace weft::kernels

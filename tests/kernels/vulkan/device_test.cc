#include "kernels/vulkan/device.h"

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

TEST(VulkanDevice, IsListedWithNameDriverAndMemory) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  const std::vector<VulkanDeviceInfo> all = list_vulkan_devices().value();
  ASSERT_LT(device->info().index, all.size());
  const VulkanDeviceInfo& same = all[device->info().index];
  EXPECT_EQ(same.name, device->info().name);
  EXPECT_FALSE(same.name.empty());
  EXPECT_FALSE(same.driver.empty());
  EXPECT_GT(same.memory_bytes, uint64_t{1} << 20);
}

TEST(VulkanDevice, IsChosenByNumberOrByPartOfItsName) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanOptions options;
  options.device = std::to_string(device->info().index);
  EXPECT_EQ(VulkanDevice::open(options).value()->info().name, device->info().name);
  options.device = device->info().name.substr(0, 4);
  EXPECT_EQ(VulkanDevice::open(options).value()->info().name, device->info().name);
}

TEST(VulkanDevice, ThatIsNotThereIsNotFoundAndTheOthersAreNamed) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  const auto opened = [] {
    VulkanOptions options;
    options.device = "no such device";
    return VulkanDevice::open(options);
  }();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_NE(opened.error().message.find(device->info().name), std::string::npos);
}

TEST(VulkanDevice, AProcessorInDisguiseIsTakenOnlyIfAskedFor) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  const auto chosen = VulkanDevice::open({});
  if (chosen.ok()) {
    EXPECT_NE((*chosen)->info().kind, VulkanDeviceKind::kCpu);
  } else {
    EXPECT_EQ(chosen.error().code, ErrorCode::kNotFound);
    EXPECT_NE(chosen.error().message.find("--vulkan-device"), std::string::npos);
  }
}

TEST(VulkanDevice, DotProductsOfBytesAreForDevicesThatHaveThem) {
  VulkanOptions options = vulkan_options();
  const auto dots = [&](VulkanOptions::Dots wanted) {
    options.dots = wanted;
    const auto device = vulkan_device(options);
    return device && device->dots();
  };
  EXPECT_FALSE(dots(VulkanOptions::Dots::kNever));
  EXPECT_TRUE(dots(VulkanOptions::Dots::kIfThere) || !dots(VulkanOptions::Dots::kIfFast));
}

TEST(VulkanDevice, ErrorsSayWhatFailedAndOfWhichKind) {
  EXPECT_EQ(vulkan_error("x", VK_ERROR_OUT_OF_DEVICE_MEMORY).code, ErrorCode::kExhausted);
  EXPECT_EQ(vulkan_error("x", VK_ERROR_DEVICE_LOST).code, ErrorCode::kUnavailable);
  EXPECT_EQ(vulkan_error("x", VK_TIMEOUT).code, ErrorCode::kUnavailable);
  EXPECT_EQ(vulkan_error("take 5", VK_ERROR_UNKNOWN).message, "vulkan: take 5: VkResult -13");
}

}  // namespace
}  // namespace weft::kernels

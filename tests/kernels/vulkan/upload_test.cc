#include "kernels/vulkan/upload.h"

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

// More than a staging buffer holds, there and back, and its ends' neighbours untouched.
void round_trip(bool unmapped) {
  VulkanOptions options = vulkan_options();
  options.unmapped = unmapped;
  const auto device = vulkan_device(options);
  if (!device) GTEST_SKIP() << "no Vulkan device here";
  VulkanMemory memory(*device);
  const auto recorder = VulkanRecorder::create(*device).value();
  VulkanUpload upload(memory, *recorder);
  const uint64_t size = kVulkanStagingBytes + 4096;
  const auto buffer = memory.allocate(size + 8, VulkanPlace::kDevice).value();
  EXPECT_EQ(buffer->mapped() == nullptr, unmapped || buffer->mapped() == nullptr);
  Bytes sent(size);
  for (size_t i = 0; i < size; ++i) sent[i] = uint8_t(i * 7 + i / 4096);
  const Bytes ends = {1, 2, 3, 4};
  ASSERT_TRUE(upload.write(*buffer, 0, ends).ok());
  ASSERT_TRUE(upload.write(*buffer, size + 4, ends).ok());
  ASSERT_TRUE(upload.write(*buffer, 4, sent).ok());
  Bytes got(size + 8);
  ASSERT_TRUE(upload.read(got, *buffer, 0).ok());
  EXPECT_TRUE(std::equal(sent.begin(), sent.end(), got.begin() + 4));
  EXPECT_EQ(Bytes(got.begin(), got.begin() + 4), ends);
  EXPECT_EQ(Bytes(got.end() - 4, got.end()), ends);
  EXPECT_EQ(device->complaints(), 0u);
}

TEST(VulkanUpload, BringsBytesThereAndBackWhereMemoryIsMapped) {
  round_trip(false);
}

TEST(VulkanUpload, BringsBytesThereAndBackByWayOfStaging) {
  round_trip(true);
}

}  // namespace
}  // namespace weft::kernels

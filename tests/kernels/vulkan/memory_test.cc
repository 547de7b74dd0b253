#include "kernels/vulkan/memory.h"

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

TEST(VulkanMemory, CutsSmallBuffersOutOfOnePieceAndGivesItBack) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanMemory memory(*device);
  std::vector<std::unique_ptr<VulkanBuffer>> buffers;
  for (int i = 0; i < 100; ++i) {
    buffers.push_back(memory.allocate(1001, VulkanPlace::kDevice).value());
    EXPECT_EQ(buffers.back()->size(), 1004u);
  }
  EXPECT_EQ(memory.allocated_bytes(), kVulkanPieceBytes);
  buffers.erase(buffers.begin(), buffers.end() - 1);
  EXPECT_EQ(memory.allocated_bytes(), kVulkanPieceBytes);
  buffers.clear();
  EXPECT_EQ(memory.allocated_bytes(), 0u);
  EXPECT_EQ(device->complaints(), 0u);
}

TEST(VulkanMemory, ALargeBufferHasAPieceOfItsOwn) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanMemory memory(*device);
  const auto small = memory.allocate(64, VulkanPlace::kDevice).value();
  const auto large = memory.allocate(kVulkanPieceBytes + 4, VulkanPlace::kDevice).value();
  EXPECT_GE(memory.allocated_bytes(), 2 * kVulkanPieceBytes + 4);
}

TEST(VulkanMemory, MappedBuffersDoNotOverlap) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanMemory memory(*device);
  const auto a = memory.allocate(100, VulkanPlace::kUpload).value();
  const auto b = memory.allocate(100, VulkanPlace::kUpload).value();
  ASSERT_NE(a->mapped(), nullptr);
  ASSERT_NE(b->mapped(), nullptr);
  EXPECT_GE(std::max(a->mapped(), b->mapped()) - std::min(a->mapped(), b->mapped()), 100);
}

TEST(VulkanMemory, SaysWhatIsTooMuch) {
  VulkanOptions options = vulkan_options();
  options.buffer_bytes_max = 4096;
  const auto device = vulkan_device(options);
  if (!device) GTEST_SKIP() << "no Vulkan device here";
  VulkanMemory memory(*device);
  EXPECT_TRUE(memory.allocate(4096, VulkanPlace::kDevice).ok());
  const auto refused = memory.allocate(4097, VulkanPlace::kDevice);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(memory.allocated_bytes(), 0u);
}

TEST(VulkanMemory, TellsOfEveryBufferThatGoes) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanMemory memory(*device);
  std::vector<const VulkanBuffer*> gone;
  memory.on_free = [&](const VulkanBuffer& buffer) { gone.push_back(&buffer); };
  auto buffer = memory.allocate(4, VulkanPlace::kDevice).value();
  const VulkanBuffer* const at = buffer.get();
  buffer.reset();
  EXPECT_EQ(gone, std::vector<const VulkanBuffer*>{at});
}

}  // namespace
}  // namespace weft::kernels

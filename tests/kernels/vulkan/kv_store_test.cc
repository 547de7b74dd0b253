#include "kernels/vulkan/kv_store.h"

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

TEST(VulkanKvStore, HasABufferForEachLayerOfTheBytesItsShapeSays) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanMemory memory(*device);
  const KvShape shape{KvType::kF16, 3, 2, 64, 5};
  const auto store = VulkanKvStore::create(shape, memory).value();
  uint64_t sum = 0;
  for (uint32_t layer = 0; layer < 3; ++layer) sum += store->layer(layer).size();
  EXPECT_EQ(sum, shape.bytes());
}

TEST(VulkanKvStore, RefusesHeadsThatItsShadersDoNotTake) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanMemory memory(*device);
  for (const KvShape& shape :
       {KvShape{KvType::kF16, 1, 1, 512, 1}, KvShape{KvType::kF16, 1, 1, 63, 1},
        KvShape{KvType::kQ8_0, 1, 1, 48, 1}, KvShape{KvType::kF32, 1, 1, 0, 1}}) {
    const auto store = VulkanKvStore::create(shape, memory);
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.error().code, ErrorCode::kUnsupported);
  }
}

TEST(VulkanKvStore, SaysHowManyTokensFitABuffer) {
  VulkanOptions options = vulkan_options();
  options.buffer_bytes_max = 1 << 20;
  const auto device = vulkan_device(options);
  if (!device) GTEST_SKIP() << "no Vulkan device here";
  VulkanMemory memory(*device);
  // A position takes 2 * 2 * 64 * 2 bytes here.
  const auto store = VulkanKvStore::create({KvType::kF16, 1, 2, 64, 1000}, memory);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::kInvalid);
  EXPECT_NE(store.error().message.find("2048"), std::string::npos) << store.error().message;
}

}  // namespace
}  // namespace weft::kernels

#include "kernels/vulkan/matrices.h"

#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

enum : uint32_t { kHalf = 0, kFloat = 1, kByte = 3, kInteger = 5, kUnsignedByte = 7 };

VulkanMatrixProperties one(MatrixShape shape, uint32_t factors, uint32_t sums) {
  VulkanMatrixProperties made;
  made.m = shape.m;
  made.n = shape.n;
  made.k = shape.k;
  made.a_type = made.b_type = factors;
  made.c_type = made.result_type = sums;
  made.scope = 3;  // a subgroup
  return made;
}

TEST(VulkanMatrices, TheLargestShapeOfSignedBytesAndOneOfHalvesAreTaken) {
  const std::vector<VulkanMatrixProperties> list = {
      one({16, 8, 16}, kHalf, kFloat),         one({16, 16, 16}, kHalf, kFloat),
      one({16, 16, 16}, kHalf, kHalf),         one({16, 8, 32}, kByte, kInteger),
      one({16, 16, 32}, kByte, kInteger),      one({16, 8, 32}, kByte, kInteger),
      one({16, 16, 32}, kUnsignedByte, kInteger)};
  EXPECT_EQ(bytes_shape(list), (MatrixShape{16, 16, 32}));
  EXPECT_EQ(halves_shape(list), (MatrixShape{16, 16, 16}));
  EXPECT_FALSE(bytes_shape({}));
}

TEST(VulkanMatrices, ShapesThatTheShadersDoNotTakeAreLeftOut) {
  EXPECT_EQ(bytes_shape(std::vector{one({8, 8, 8}, kByte, kInteger)}), (MatrixShape{8, 8, 8}));
  EXPECT_EQ(bytes_shape(std::vector{one({8, 16, 32}, kByte, kInteger)}), (MatrixShape{8, 16, 32}));
  for (const MatrixShape shape : {MatrixShape{16, 16, 64}, {64, 16, 16}, {16, 32, 16}, {16, 16, 4},
                                  {16, 12, 16}, {1, 16, 32}, {0, 0, 0}}) {
    EXPECT_FALSE(bytes_shape(std::vector{one(shape, kByte, kInteger)})) << shape.m;
  }
  VulkanMatrixProperties saturates = one({16, 16, 16}, kByte, kInteger);
  saturates.saturates = VK_TRUE;
  VulkanMatrixProperties workgroup = one({16, 16, 16}, kByte, kInteger);
  workgroup.scope = 2;
  VulkanMatrixProperties mixed = one({16, 16, 16}, kByte, kInteger);
  mixed.b_type = kUnsignedByte;
  EXPECT_FALSE(bytes_shape(std::vector{saturates, workgroup, mixed}));
}

TEST(VulkanMatrices, ADeviceHasThemOrSaysWhyNot) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  const VulkanMatrices& matrices = device->matrices();
  EXPECT_EQ(matrices.absent.empty(), matrices.bytes || matrices.halves);
  if (!device->info().cooperative_matrices) {
    EXPECT_FALSE(matrices.absent.empty());
  }
  if (!matrices.absent.empty()) GTEST_SKIP() << matrices.absent;
  EXPECT_GE(matrices.subgroup, 8u);
}

TEST(VulkanMatrices, AreNotUsedWhereTheyAreNotWanted) {
  VulkanOptions options = vulkan_options();
  options.matrices = VulkanOptions::Matrices::kNever;
  const auto device = vulkan_device(options);
  if (!device) GTEST_SKIP() << "no Vulkan device here";
  EXPECT_FALSE(device->matrices().bytes || device->matrices().halves);
  EXPECT_FALSE(device->matrices().absent.empty());
}

}  // namespace
}  // namespace weft::kernels

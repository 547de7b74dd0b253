#include "kernels/vulkan/pipelines.h"

#include <filesystem>

#include "base/file.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  return files;
}

TEST(VulkanPipelines, AreMadeOnceForEachSetOfConstants) {
  WEFT_VULKAN_DEVICE_OR_SKIP(device);
  VulkanPipelines pipelines(*device);
  const VulkanPipeline* first = pipelines.get("quantize", {256}).value();
  EXPECT_EQ(pipelines.get("quantize", {256}).value(), first);
  EXPECT_NE(pipelines.get("quantize", {32}).value(), first);
  EXPECT_EQ(first->bindings, 2u);
  EXPECT_EQ(device->complaints(), 0u);
}

TEST(VulkanPipelines, EveryShaderBecomesOne) {
  VulkanOptions options = vulkan_options();
  options.dots = VulkanOptions::Dots::kIfThere;
  const auto device = vulkan_device(options);
  if (!device) GTEST_SKIP() << "no Vulkan device here";
  VulkanPipelines pipelines(*device);
  for (const VulkanShader& shader : vulkan_shaders()) {
    EXPECT_LE(shader.bindings, kVulkanBindings);
    if (shader.needs_dots() && !device->dots()) continue;
    if (shader.needs_matrices()) continue;  // of the device's shape only: backend_test
    EXPECT_TRUE(pipelines.get(shader.name).ok()) << shader.name;
  }
  EXPECT_EQ(device->complaints(), 0u);
}

TEST(VulkanPipelines, AreKeptInAFileThatMayBeDamaged) {
  const test::TemporaryFolder folder;
  VulkanOptions options = vulkan_options();
  options.cache_folder = folder.path() + "/cache";
  const auto device = vulkan_device(options);
  if (!device) GTEST_SKIP() << "no Vulkan device here";
  const auto use = [&] {
    VulkanPipelines pipelines(*device);
    EXPECT_TRUE(pipelines.get("add").ok());
  };
  use();
  const std::vector<std::string> files = files_in(options.cache_folder);
  ASSERT_EQ(files.size(), 1u);
  const Bytes kept = read_file(files[0], kPipelineCacheBytesMax).value();
  use();
  for (const size_t at : {size_t{0}, size_t{9}, kept.size() - 1}) {
    Bytes damaged = kept;
    damaged[at] ^= 0x55;
    ASSERT_TRUE(write_file_atomic(files[0], damaged).ok());
    use();
  }
  ASSERT_TRUE(write_file_atomic(files[0], Bytes{}).ok());
  use();
  EXPECT_GT(read_file(files[0], kPipelineCacheBytesMax).value().size(), 16u);
  EXPECT_EQ(device->complaints(), 0u);
}

}  // namespace
}  // namespace weft::kernels

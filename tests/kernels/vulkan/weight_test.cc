#include "kernels/vulkan/weight.h"

#include "kernels/cpu/panel.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;

// A matrix that no buffer of the device holds whole gives the bits of one that a buffer does.
TEST(VulkanWeight, IsCutWhereABufferEnds) {
  WEFT_VULKAN_OR_SKIP(whole);
  Random random(test::test_seed(71));
  for (const TensorType type : {TensorType::kQ4_K, TensorType::kQ8_0, TensorType::kF16}) {
    VulkanOptions options = vulkan_options();
    options.buffer_bytes_max = uint64_t{5} << 20;  // a batch's parameters take 4
    const auto small = vulkan_backend(options);
    const uint32_t rows = uint32_t((uint64_t{12} << 20) / (panel_bytes(type, 512) / kPanelRows));
    const Tensor large = make_tensor(type, rows, 512, random);
    const auto one = whole->load(large.view(), WeightUse::kBoth).value();
    const auto cut = small->load(large.view(), WeightUse::kBoth).value();
    EXPECT_EQ(static_cast<const VulkanWeight&>(*one).parts().size(), 1u);
    EXPECT_GE(static_cast<const VulkanWeight&>(*cut).parts().size(), 3u);
    EXPECT_EQ(one->bytes(), cut->bytes());
    const std::vector<float> x = random_floats(2 * 512, random);
    EXPECT_EQ(run_matmul(*small, *cut, x), run_matmul(*whole, *one, x));
    const std::vector<TokenId> tokens = {0, TokenId(rows) - 1, TokenId(rows) / 2};
    const auto a = whole->allocate(3 * 512).value(), b = small->allocate(3 * 512).value();
    whole->embed(*a, *one, tokens, 1);
    small->embed(*b, *cut, tokens, 1);
    EXPECT_EQ(result(*whole, *a), result(*small, *b));
  }
}

TEST(VulkanWeight, IsRefusedIfItsDataDoesNotFitItsShape) {
  WEFT_VULKAN_OR_SKIP(backend);
  Random random(1);
  const Tensor tensor = make_tensor(TensorType::kQ4_K, 8, 256, random);
  TensorView view = tensor.view();
  view.data = view.data.first(view.data.size() - 1);
  EXPECT_EQ(backend->load(view, WeightUse::kMatmul).error().code, ErrorCode::kInvalid);
}

TEST(VulkanWeight, SaysWhatItHasReadToItsEnd) {
  WEFT_VULKAN_OR_SKIP(backend);
  Random random(1);
  const Tensor tensor = make_tensor(TensorType::kQ8_0, 8192, 1024, random);
  TensorView view = tensor.view();
  uint64_t told = 0;
  view.done_with = [&](ByteView part) { told += part.size(); };
  ASSERT_TRUE(backend->load(view, WeightUse::kMatmul).ok());
  EXPECT_EQ(told, tensor.data.size());
}

}  // namespace
}  // namespace weft::kernels

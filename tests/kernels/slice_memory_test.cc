#include "kernels/slice_memory.h"

#include <gtest/gtest.h>

#include "tests/kernels/tiny_model.h"

namespace weft::kernels {
namespace {

model::ModelConfig config() {
  model::ModelConfig config;
  config.layer_count = 4;
  config.hidden_dim = 8;
  config.head_count = config.kv_head_count = 2;
  config.head_dim = 4;
  config.ffn_dim = 16;
  config.vocab_size = 50;
  config.context_length = 100;
  config.rope.dims = 4;
  return config;
}

TEST(SliceShape, TokensAreRoundedUpToPagesAndScratchIsNoLargerThanNeeded) {
  const auto shape = slice_shape(config(), {.last_layer = 4, .kv_tokens = 33}).value();
  EXPECT_EQ(shape.kv.page_count, 2u);
  EXPECT_EQ(shape.rows, 64u);
  EXPECT_EQ(shape.logits_rows, kLogitsRowsMax);
  EXPECT_EQ(shape.position_count, 64u);
  EXPECT_EQ(slice_shape(config(), {.last_layer = 4, .kv_tokens = 500})->position_count, 100u);
}

TEST(SliceShape, OnlyALastSliceHasAHead) {
  EXPECT_EQ(slice_shape(config(), {.last_layer = 3, .kv_tokens = 32})->logits_rows, 0u);
  EXPECT_EQ(slice_shape(config(), {.last_layer = 4, .kv_tokens = 32, .rows_max = 5})->logits_rows,
            5u);
}

TEST(SliceShape, OptionsThatFitNoModelAreInvalid) {
  const SliceOptions bad[] = {
      {.first_layer = 2, .last_layer = 2, .kv_tokens = 32},
      {.first_layer = 3, .last_layer = 2, .kv_tokens = 32},
      {.first_layer = 0, .last_layer = 5, .kv_tokens = 32},
      {.first_layer = 0, .last_layer = 4, .kv_tokens = 0},
      {.first_layer = 0, .last_layer = 4, .kv_tokens = UINT32_MAX},
      {.first_layer = 0, .last_layer = 4, .kv_tokens = 32, .rows_max = 0},
  };
  for (const SliceOptions& options : bad) {
    const auto result = slice_shape(config(), options);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalid) << result.error().message;
  }
}

TEST(SliceShape, ACacheThatNoMachineHoldsIsExhaustedAndDoesNotWrap) {
  model::ModelConfig huge = config();
  huge.layer_count = 1024;
  huge.kv_head_count = 1024;
  huge.head_dim = 1024;
  const auto result = slice_shape(huge, {.last_layer = 1024, .kv_tokens = 1u << 28});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kExhausted);
}

TEST(SliceMemory, TheEstimateIsWhatALoadedSliceTakes) {
  for (const bool tied : {true, false}) {
    const TinyModel tiny({.tied = tied});
    const auto backend = make_reference_backend();
    const std::pair<uint32_t, uint32_t> runs[] = {{0, 3}, {0, 1}, {1, 2}, {1, 3}};
    for (const auto& [first_layer, last_layer] : runs) {
      const SliceOptions options{
          .first_layer = first_layer, .last_layer = last_layer, .kv_tokens = 96};
      const auto estimate = estimate_slice_memory(tiny.get(), options, "reference").value();
      const auto slice = Slice::load(*backend, tiny.get(), options).value();
      EXPECT_EQ(estimate.weight_bytes, slice->memory().weight_bytes);
      EXPECT_EQ(estimate.kv_bytes, slice->memory().kv_bytes);
      EXPECT_EQ(estimate.scratch_bytes, slice->memory().scratch_bytes);
      EXPECT_GT(estimate.weight_bytes, 0u);
    }
  }
}

TEST(SliceMemory, TheEstimateIsCloseForTheCpu) {
  const TinyModel tiny({.hidden = 64, .ffn = 96, .tied = false});
  const auto backend = make_cpu_backend({.threads = 1}).value();
  const SliceOptions options{.last_layer = 3, .kv_tokens = 96};
  const auto estimate = estimate_slice_memory(tiny.get(), options, "cpu").value();
  const auto slice = Slice::load(*backend, tiny.get(), options).value();
  // Its layout pads matrices to whole panels of rows: 61 rows of the head are 64.
  EXPECT_GE(slice->memory().weight_bytes, estimate.weight_bytes);
  EXPECT_LE(double(slice->memory().weight_bytes), double(estimate.weight_bytes) * 1.05);
}

}  // namespace
}  // namespace weft::kernels

#include "kernels/weights.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/kernels/tiny_model.h"

namespace weft::kernels {
namespace {

TEST(SliceWeights, ASliceTakesItsLayersAndTheEndsItHolds) {
  const TinyModel tiny({.tied = false});
  const auto backend = make_reference_backend();
  const auto first = load_slice_weights(*backend, tiny.get(), 0, 1, {}).value();
  EXPECT_TRUE(first.embedding && first.blocks.size() == 1 && first.blocks[0].attn_q);
  EXPECT_FALSE(first.output_norm || first.output);
  const auto middle = load_slice_weights(*backend, tiny.get(), 1, 2, {}).value();
  EXPECT_FALSE(middle.embedding || middle.output_norm || middle.output);
  const auto last = load_slice_weights(*backend, tiny.get(), 1, 3, {}).value();
  EXPECT_TRUE(!last.embedding && last.output_norm && last.output && last.blocks.size() == 2);
}

TEST(SliceWeights, TiedEmbeddingsAreHeldOnceByAWholeModelAndAsHeadByALastSlice) {
  const TinyModel tiny;
  const auto backend = make_reference_backend();
  const auto whole = load_slice_weights(*backend, tiny.get(), 0, 3, {}).value();
  EXPECT_FALSE(whole.output);
  EXPECT_EQ(&whole.head(), whole.embedding.get());
  const auto last = load_slice_weights(*backend, tiny.get(), 2, 3, {}).value();
  EXPECT_FALSE(last.embedding);
  EXPECT_EQ(last.head().rows(), tiny.get().config().vocab_size);
}

TEST(SliceWeights, ProgressEndsAtTheTotalAndTheTotalIsTheFilesBytes) {
  const TinyModel tiny;
  uint64_t expected = 0, last_done = 0, last_total = 0;
  for (const auto* tensor : tiny.get().slice_tensors(0, 3)) expected += tensor->bytes;
  const auto backend = make_reference_backend();
  const auto progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GT(done, last_done);
    last_done = done;
    last_total = total;
    return true;
  };
  ASSERT_TRUE(load_slice_weights(*backend, tiny.get(), 0, 3, progress).ok());
  EXPECT_EQ(last_done, expected);
  EXPECT_EQ(last_total, expected);
}

TEST(SliceWeights, ProgressMayCancel) {
  const TinyModel tiny;
  const auto backend = make_reference_backend();
  int calls = 0;
  const auto result = load_slice_weights(*backend, tiny.get(), 0, 3,
                                         [&](uint64_t, uint64_t) { return ++calls < 3; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(calls, 3);
}

TEST(SliceWeights, AFileThatShrinksUnderUsIsCorruptAndNotZeros) {
  TinyShape shape;
  shape.vocab = 4000;  // several pages, so that whole ones go missing
  const TinyModel tiny(shape);
  ASSERT_EQ(::truncate(tiny.path().c_str(), 8192), 0);
  const auto backend = make_reference_backend();
  const auto result = load_slice_weights(*backend, tiny.get(), 0, 3, {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace weft::kernels

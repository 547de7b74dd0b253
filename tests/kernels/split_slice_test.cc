#include "kernels/split_slice.h"

#include <gtest/gtest.h>

#include "kernels/slice_memory.h"
#include "tests/kernels/tiny_model.h"
#include "tests/kernels/wrapped_backend.h"

namespace weft::kernels {
namespace {

constexpr uint32_t kLayers = 3;

class SplitSliceTest : public ::testing::Test {
 protected:
  SliceOptions options() const {
    SliceOptions made;
    made.last_layer = kLayers;
    made.kv_tokens = 64;
    made.rows_max = 16;
    return made;
  }
  // What the last `count` layers take on the device.
  uint64_t bytes_of_last(uint32_t count) const {
    SliceOptions part = options();
    part.first_layer = kLayers - count;
    const SliceMemory memory =
        estimate_slice_memory(tiny_.get(), part, device_.name()).value();
    return memory.weight_bytes + memory.kv_bytes + memory.scratch_bytes;
  }
  PlacedSlice load(uint64_t device_bytes) {
    auto placed = load_placed_slice({device_, device_bytes, processor_.get()}, tiny_.get(),
                                    options());
    EXPECT_TRUE(placed.ok()) << placed.error().message;
    return *std::move(placed);
  }
  // The logits after a prompt and two more rows.
  std::vector<float> logits(Slice& slice, uint64_t session) {
    std::vector<float> all;
    const std::vector<TokenId> tokens = tiny_.tokens(7, 1);
    for (const auto& [first, count] : {std::pair(0u, 5u), {5u, 1u}, {6u, 1u}}) {
      SliceBatch batch;
      batch.sequences = {{SessionId{session}, first, count, 1}};
      batch.tokens.assign(tokens.begin() + first, tokens.begin() + first + count);
      const auto output = slice.forward(batch);
      EXPECT_TRUE(output.ok()) << output.error().message;
      if (output.ok()) all.insert(all.end(), output->logits.begin(), output->logits.end());
    }
    return all;
  }

  TinyModel tiny_;
  WrappedBackend device_;
  std::unique_ptr<Backend> processor_ = make_reference_backend();
};

TEST_F(SplitSliceTest, GivesTheBytesOfOneWhereverItIsCut) {
  const auto whole = Slice::load(*processor_, tiny_.get(), options()).value();
  const std::vector<float> expected = logits(*whole, 1);
  ASSERT_EQ(expected.size(), 3 * tiny_.get().config().vocab_size);
  for (uint32_t count = 0; count <= kLayers; ++count) {
    const PlacedSlice placed = load(count == 0 ? 0 : bytes_of_last(count));
    EXPECT_EQ(placed.device_from, kLayers - count);
    EXPECT_EQ(placed.device_bytes > 0, count > 0);
    EXPECT_TRUE(placed.slice->first() && placed.slice->last());
    EXPECT_EQ(logits(*placed.slice, 1), expected) << count << " layers on the device";
    EXPECT_EQ(placed.slice->length(SessionId{1}), 7u);
    const uint32_t free = placed.slice->kv_free_tokens();
    placed.slice->release(SessionId{1});
    EXPECT_EQ(placed.slice->length(SessionId{1}), 0u);
    EXPECT_GT(placed.slice->kv_free_tokens(), free);
  }
}

TEST_F(SplitSliceTest, TellsWhatComputesTheFirstLayersThatABatchComes) {
  WrappedBackend processor;
  const auto told = [&](uint64_t device_bytes) {
    processor.expected = device_.expected = 0;
    const auto placed = load_placed_slice({device_, device_bytes, &processor}, tiny_.get(),
                                          options()).value();
    placed.slice->expect_batch();
    return std::pair(processor.expected, device_.expected);
  };
  EXPECT_EQ(told(0), std::pair(1u, 0u));
  EXPECT_EQ(told(bytes_of_last(1)), std::pair(1u, 0u));
  EXPECT_EQ(told(bytes_of_last(kLayers)), std::pair(0u, 1u));
}

TEST_F(SplitSliceTest, TakesNoMoreOfTheDeviceThanItMay) {
  for (uint32_t count = 1; count <= kLayers; ++count) {
    EXPECT_EQ(load(bytes_of_last(count) - 1).device_from, kLayers - count + 1);
  }
}

TEST_F(SplitSliceTest, WithoutAProcessorAllIsOnTheDevice) {
  const auto placed = load_placed_slice({device_, 0, nullptr}, tiny_.get(), options());
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(placed->device_from, 0u);
}

TEST_F(SplitSliceTest, ADeviceThatFailsLeavesTheSessionWhereItWas) {
  const PlacedSlice placed = load(bytes_of_last(1));
  const std::vector<float> expected = logits(*placed.slice, 1);
  SliceBatch batch;
  batch.sequences = {{SessionId{2}, 0, 5, 1}};
  batch.tokens = tiny_.tokens(5, 1);
  device_.fail_finish = true;
  EXPECT_FALSE(placed.slice->forward(batch).ok());
  EXPECT_EQ(placed.slice->length(SessionId{2}), 0u);
  device_.fail_finish = false;
  EXPECT_EQ(logits(*placed.slice, 2), expected);
}

TEST_F(SplitSliceTest, ProgressRisesToTheEndOverBothParts) {
  uint64_t last = 0, total = 0;
  const auto placed = load_placed_slice({device_, bytes_of_last(2), processor_.get()},
                                        tiny_.get(), options(), [&](uint64_t done, uint64_t all) {
    EXPECT_GE(done, last);
    EXPECT_LE(done, all);
    last = done;
    total = all;
    return true;
  });
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(last, total);
  const auto cancelled = load_placed_slice({device_, bytes_of_last(2), processor_.get()},
                                           tiny_.get(), options(),
                                           [](uint64_t, uint64_t) { return false; });
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace weft::kernels

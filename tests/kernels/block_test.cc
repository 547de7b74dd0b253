#include "kernels/block.h"

#include <gtest/gtest.h>

#include "tests/kernels/wrapped_backend.h"

namespace weft::kernels {
namespace {

// A layer with one head of two elements and a feed-forward of one.
class BlockTest : public ::testing::Test {
 protected:
  BlockTest() {
    config_.hidden_dim = 2;
    config_.head_count = config_.kv_head_count = 1;
    config_.head_dim = 2;
    config_.ffn_dim = 1;
    params_ = {.attention = {1, 1, 2, 1.0f},
               .rope = &rope_,
               .norm_epsilon = 0,
               .hidden_dim = 2,
               .ffn_dim = 1};
    scratch_ = BlockScratch::allocate(backend_, config_, 1).value();
    kv_ = backend_.allocate_kv({KvType::kF32, 1, 1, 2, 1}).value();
  }

  std::unique_ptr<Weight> weight(uint32_t rows, uint32_t cols, const std::vector<float>& values) {
    const ByteView bytes{reinterpret_cast<const uint8_t*>(values.data()),
                         values.size() * sizeof(float)};
    return backend_.load({model::TensorType::kF32, rows, cols, bytes}, WeightUse::kMatmul).value();
  }

  void give_attention() {
    weights_.attn_q = weight(2, 2, {1, 0, 0, 1});
    weights_.attn_k = weight(2, 2, {1, 0, 0, 1});
    weights_.attn_v = weight(2, 2, {0, 1, 1, 0});  // swaps the elements
    weights_.attn_output = weight(2, 2, {10, 0, 0, 10});
  }
  void give_feed_forward() {
    weights_.ffn_gate = weight(1, 2, {1, 1});
    weights_.ffn_up = weight(1, 2, {0, 1});
    weights_.ffn_down = weight(2, 1, {100, 0});
  }

  // Two experts, of which each row goes to one: the network of give_feed_forward, times 1 and 2.
  void give_experts(const std::vector<float>& router) {
    config_.expert_count = params_.expert_count = 2;
    config_.experts_used = params_.experts_used = 1;
    config_.expert_ffn_dim = params_.expert_ffn_dim = 1;
    scratch_ = BlockScratch::allocate(backend_, config_, 1).value();
    weights_.router = weight(2, 2, router);
    weights_.experts_gate = weight(2, 2, {1, 1, 1, 1});
    weights_.experts_up = weight(2, 2, {0, 1, 0, 2});
    weights_.experts_down = weight(4, 1, {100, 0, 100, 0});
  }

  std::vector<float> run(const std::vector<float>& x) {
    const uint32_t position = 0, page = 0;
    const KvRow row{position, {&page, 1}};
    backend_.write(*scratch_.x, x);
    run_block(backend_, weights_, params_, scratch_, *kv_, 0, {{&position, 1}, {&row, 1}});
    EXPECT_TRUE(backend_.finish().ok());
    std::vector<float> result(2);
    backend_.read(result, *scratch_.x);
    return result;
  }

  WrappedBackend backend_;
  const RopeTable rope_ = make_rope_table({.dims = 2}, 4);
  model::ModelConfig config_;
  BlockParams params_;
  BlockWeights weights_;
  BlockScratch scratch_;
  std::unique_ptr<KvStore> kv_;
};

TEST_F(BlockTest, ALayerWithoutTensorsLeavesXAsItIs) {
  EXPECT_EQ(run({3, 4}), (std::vector<float>{3, 4}));
  EXPECT_EQ(backend_.matmul_calls, 0u);
}

TEST_F(BlockTest, AttentionAddsItsOutputToTheResidual) {
  give_attention();
  // One position attends to itself alone: its value is x swapped, times 10.
  EXPECT_EQ(run({3, 4}), (std::vector<float>{43, 34}));
  EXPECT_EQ(backend_.norm_calls, 0u) << "there is no norm to apply";
  EXPECT_EQ(backend_.rope_calls, 2u) << "q and k rotate";
}

TEST_F(BlockTest, TheNormIsAppliedToTheInputAndNotToTheResidual) {
  give_attention();
  weights_.attn_norm = weight(1, 2, {2, 2});
  // x = (5, 5) normalizes to (1, 1), times 2, times 10.
  EXPECT_EQ(run({5, 5}), (std::vector<float>{25, 25}));
  EXPECT_EQ(backend_.norm_calls, 1u);
}

TEST_F(BlockTest, FeedForwardAloneIsGatedAndAdded) {
  give_feed_forward();
  const std::vector<float> result = run({-50, 60});  // gate 10: silu(10) is 9.99955
  EXPECT_NEAR(result[0], -50 + 100 * 9.99955f * 60, 1);
  EXPECT_EQ(result[1], 60);
  EXPECT_EQ(backend_.attention_calls, 0u);
}

TEST_F(BlockTest, PostNormsAreOfWhatASublayerAdds) {
  give_attention();
  weights_.attn_output_bias = weight(1, 2, {-30, -20});
  EXPECT_EQ(run({3, 4}), (std::vector<float>{13, 14})) << "40 - 30 and 30 - 20 are added";
  weights_.attn_post_norm = weight(1, 2, {2, 2});
  EXPECT_EQ(run({3, 4}), (std::vector<float>{5, 6})) << "(10, 10) normalizes to (1, 1), times 2";
}

TEST_F(BlockTest, ARowGoesToTheExpertThatItsRouterChooses) {
  give_experts({1, 0, 0, 0});
  const std::vector<float> first = run({50, 60});
  EXPECT_NEAR(first[0], 50 + 100 * 110.0f * 60, 1);
  EXPECT_EQ(first[1], 60);
  give_experts({-1, 0, 0, 0});
  EXPECT_NEAR(run({50, 60})[0], 50 + 100 * 110.0f * 120, 1);
  weights_.router_bias = weight(1, 2, {60, 0});
  EXPECT_NEAR(run({50, 60})[0], 50 + 100 * 110.0f * 60, 1) << "the bias turns it around";
  weights_.experts_down_bias = weight(2, 2, {0, 7, 0, 8});
  EXPECT_EQ(run({50, 60})[1], 67);
}

TEST_F(BlockTest, WithoutRotaryDimsNothingRotates) {
  give_attention();
  params_.rope = nullptr;
  run({3, 4});
  EXPECT_EQ(backend_.rope_calls, 0u);
}

TEST_F(BlockTest, ScratchBytesAreThoseOfItsBuffers) {
  uint64_t bytes = 0;
  for (const auto* buffer : {&scratch_.x, &scratch_.normed, &scratch_.q, &scratch_.k, &scratch_.v,
                             &scratch_.attention, &scratch_.gate, &scratch_.up}) {
    bytes += (*buffer)->size() * sizeof(float);
  }
  EXPECT_EQ(BlockScratch::bytes(config_, 1), bytes);
}

}  // namespace
}  // namespace weft::kernels

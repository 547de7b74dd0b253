#include "kernels/self_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/vulkan/vulkan_test_support.h"
#include "tests/kernels/wrapped_backend.h"

namespace weft::kernels {
namespace {

using ::testing::HasSubstr;

TEST(SelfTest, EveryBackendHerePasses) {
  EXPECT_TRUE(self_test(*make_reference_backend()).ok());
  const auto cpu = self_test(*make_cpu_backend({.threads = 2}).value());
  EXPECT_TRUE(cpu.ok()) << cpu.error().message;
  if (const auto vulkan = vulkan_backend()) {
    const auto passed = self_test(*vulkan);
    EXPECT_TRUE(passed.ok()) << passed.error().message;
    EXPECT_EQ(vulkan->device().complaints(), 0u);
  }
}

// Computes one thing wrongly.
class FaultyBackend : public WrappedBackend {
 public:
  explicit FaultyBackend(std::string fault) : fault_(std::move(fault)) {}

  void embed(Buffer& out, const Weight& table, std::span<const TokenId> tokens,
             float scale) override {
    WrappedBackend::embed(out, table, tokens, has("no scale") ? 1 : scale);
  }
  void rms_norm(Buffer& out, const Buffer& x, const Weight& weight, uint32_t rows,
                float epsilon) override {
    WrappedBackend::rms_norm(out, x, weight, has("a norm of fewer rows") ? rows - 1 : rows,
                             epsilon);
  }
  void matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) override {
    WrappedBackend::matmul(targets, x, has("no product of many rows") ? std::min(rows, 39u) : rows);
  }
  void rope(Buffer& x, uint32_t rows, uint32_t heads, uint32_t head_dim, const RopeTable& table,
            std::span<const uint32_t> positions) override {
    RopeTable other = table;
    if (has("one order of pairs")) other.interleaved = true;
    WrappedBackend::rope(x, rows, heads, head_dim, other, positions);
  }
  void attention(Buffer& out, const Buffer& q, const KvStore& kv, uint32_t layer,
                 std::span<const KvRow> rows, const AttentionParams& params) override {
    AttentionParams other = params;
    if (has("a narrower window")) other.window = params.window == 0 ? 0 : params.window - 1;
    if (has("no caps of scores")) other.soft_cap = 0;
    if (has("no sinks")) other.sinks = nullptr;
    WrappedBackend::attention(out, q, kv, layer, rows, other);
  }
  void glu(model::Activation activation, Buffer& out, const Buffer& gate, const Buffer& up,
           size_t count) override {
    const bool other = has("no clamp") && activation == model::Activation::kClampedSilu;
    WrappedBackend::glu(other ? model::Activation::kSilu : activation, out, gate, up, count);
  }
  void soft_cap(Buffer& x, float cap, size_t count) override {
    WrappedBackend::soft_cap(x, cap, has("no cap of the last") ? count - 1 : count);
  }
  void choose_experts(Buffer& choice, const Buffer& logits, const ExpertRows& rows) override {
    ExpertRows other = rows;
    if (has("a row without experts")) --other.rows;
    WrappedBackend::choose_experts(choice, logits, other);
  }
  void matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x, bool spread,
                      const Buffer& choice, const ExpertRows& rows) override {
    ExpertRows other = rows;
    if (has("experts of few rows")) other.rows = std::min(rows.rows, 39u);
    WrappedBackend::matmul_experts(targets, x, spread && !has("no spread"), choice, other);
  }
  void add_expert_bias(Buffer& x, const Weight& bias, const Buffer& choice,
                       const ExpertRows& rows) override {
    if (!has("no bias of experts")) WrappedBackend::add_expert_bias(x, bias, choice, rows);
  }
  void add(Buffer& x, const Buffer& y, size_t count) override {
    if (!has("no sum")) WrappedBackend::add(x, y, count);
  }
  void add_bias(Buffer& x, const Weight& bias, uint32_t rows) override {
    if (!has("no bias")) WrappedBackend::add_bias(x, bias, rows);
  }
  void gather_rows(Buffer& to, const Buffer& from, uint32_t cols,
                   std::span<const uint32_t> indices) override {
    std::vector<uint32_t> other(indices.begin(), indices.end());
    if (has("rows in their order")) std::sort(other.begin(), other.end());
    WrappedBackend::gather_rows(to, from, cols, other);
  }
  void best_logits(Buffer& best, const Buffer& logits, uint32_t rows, uint32_t cols,
                   uint32_t count) override {
    WrappedBackend::best_logits(best, logits, rows, has("no last logits") ? cols - 99 : cols,
                                count);
  }
  void total_weights(Buffer& totals, const Buffer& logits, const Buffer& best, uint32_t rows,
                     uint32_t cols, uint32_t count, std::span<const float> scales) override {
    std::vector<float> other(scales.begin(), scales.end());
    if (has("one temperature")) other.assign(rows, scales[0]);
    WrappedBackend::total_weights(totals, logits, best, rows, cols, count, other);
  }

 private:
  bool has(std::string_view fault) const { return fault_ == fault; }
  const std::string fault_;
};

TEST(SelfTest, NamesWhatIsComputedWrongly) {
  EXPECT_TRUE(self_test(*std::make_unique<FaultyBackend>("none")).ok());
  for (const auto& [fault, operation] : {std::pair{"no scale", "rows of F32"},
                                         {"a norm of fewer rows", "norms"},
                                         {"no product of many rows", "products with F32"},
                                         {"one order of pairs", "rotations"},
                                         {"a narrower window", "attention in a window over f32"},
                                         {"no caps of scores", "attention with a soft cap"},
                                         {"no sinks", "attention with sinks"},
                                         {"no clamp", "gates"},
                                         {"no cap of the last", "soft caps"},
                                         {"a row without experts", "the choice of experts"},
                                         {"no spread", "experts' products with F32"},
                                         {"no bias of experts", "sums over experts"},
                                         {"no sum", "sums or"},
                                         {"no bias", "sums or"},
                                         {"experts of few rows", "experts' products with F32"},
                                         {"no last logits", "the best logits"},
                                         {"one temperature", "the weights of tokens"},
                                         {"rows in their order", "sums or copies of rows"}}) {
    FaultyBackend backend(fault);
    const auto tested = self_test(backend);
    ASSERT_FALSE(tested.ok()) << fault;
    EXPECT_EQ(tested.error().code, ErrorCode::kInternal);
    EXPECT_THAT(tested.error().message, HasSubstr(std::string("computes ") + operation)) << fault;
  }
}

TEST(SelfTest, ADeviceThatFailsIsThatError) {
  WrappedBackend backend;
  backend.fail_finish = true;
  EXPECT_EQ(self_test(backend).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weft::kernels

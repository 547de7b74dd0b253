// A small random model of every architecture, through every backend and every way of cutting it.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/evaluate.h"
#include "kernels/slice_memory.h"
#include "model/synth.h"
#include "tests/kernels/agreement.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

// Of the logits' deviation; an activation that is rounded to 8 bits is off by a hundredth.
constexpr double kFloatTolerance = 1e-4;
constexpr double kCorrelation = 0.999;
// Where two experts are about as likely, the rounding decides which of them a row goes to.
constexpr double kCorrelationWithExperts = 0.95;

class Families : public ::testing::TestWithParam<std::string> {
 protected:
  model::Model open(const std::string& quant) {
    const auto written = model::write_synthetic({.path = folder_ / quant,
                                                 .architecture = GetParam(),
                                                 .shape = "nano",
                                                 .quant = quant,
                                                 .layers = 7});
    EXPECT_TRUE(written.ok()) << written.error().message;
    return model::Model::open(folder_ / quant).value();
  }
  static std::vector<TokenId> tokens(uint32_t count) {
    std::vector<TokenId> list(count);
    for (uint32_t i = 0; i < count; ++i) list[i] = TokenId(i * i * 7 % 380);
    return list;
  }
  static std::vector<float> logits(Backend& backend, const model::Model& model, uint32_t count,
                                   const EvaluateOptions& options = {}) {
    return evaluate_logits(backend, model, tokens(count), options).value();
  }

  test::TemporaryFolder folder_;
};

TEST_P(Families, EveryBackendComputesWhatTheReferenceDoes) {
  const auto reference = make_reference_backend();
  const auto cpu = cpu_backend(2);
  const auto vulkan = vulkan_backend();
  const model::Model exact = open("f32"), rounded = open("q4_k_m");
  const auto expected = logits(*reference, exact, 70);
  const auto expected_rounded = logits(*reference, rounded, 70);
  for (Backend* backend : {cpu.get(), static_cast<Backend*>(vulkan.get())}) {
    if (!backend) continue;
    EXPECT_LT(compare(logits(*backend, exact, 70), expected).largest, kFloatTolerance);
    EXPECT_GT(compare(logits(*backend, rounded, 70), expected_rounded).correlation,
              exact.config().expert_count > 0 ? kCorrelationWithExperts : kCorrelation);
  }
}

TEST_P(Families, ChunksAndCutsChangeNoBit) {
  const auto backend = cpu_backend(2);
  const model::Model model = open("q8_0");
  const auto whole = logits(*backend, model, 70);
  for (const EvaluateOptions& options :
       {EvaluateOptions{.chunk = 1}, EvaluateOptions{.chunk = 9},
        EvaluateOptions{.chunk = 70, .cuts = {1}}, EvaluateOptions{.chunk = 13, .cuts = {2, 5}}}) {
    const auto cut = logits(*backend, model, 70, options);
    EXPECT_EQ(std::memcmp(cut.data(), whole.data(), whole.size() * sizeof(float)), 0)
        << "chunk " << options.chunk << ", " << options.cuts.size() << " cuts";
  }
}

// Longer than what a window keeps, so that its pages are written over.
TEST_P(Families, LongStreamsSeeTheirWindowWhateverTheChunks) {
  const auto backend = cpu_backend(2);
  const model::Model model = open("f32");
  const auto once = logits(*backend, model, 1300);
  const auto in_chunks = logits(*backend, model, 1300, {.chunk = 37});
  EXPECT_EQ(std::memcmp(once.data(), in_chunks.data(), once.size() * sizeof(float)), 0);
  const auto expected = logits(*make_reference_backend(), model, 1300);
  EXPECT_LT(compare(once, expected).largest, kFloatTolerance);
}

TEST_P(Families, TheEstimateOfItsMemoryIsWhatASliceTakes) {
  const auto backend = make_reference_backend();
  const model::Model model = open("f32");
  const SliceOptions options{.first_layer = 1, .last_layer = 7, .kv_tokens = 4096};
  const auto estimate = estimate_slice_memory(model, options, "reference").value();
  const auto slice = Slice::load(*backend, model, options).value();
  EXPECT_EQ(estimate.weight_bytes, slice->memory().weight_bytes);
  EXPECT_EQ(estimate.kv_bytes, slice->memory().kv_bytes);
  EXPECT_EQ(estimate.scratch_bytes, slice->memory().scratch_bytes);
}

INSTANTIATE_TEST_SUITE_P(EveryArchitecture, Families,
                         ::testing::Values("llama", "qwen2", "qwen3", "qwen3moe", "gemma2",
                                           "gemma3", "phi3", "gpt-oss"),
                         [](const auto& named) {
                           return named.param == "gpt-oss" ? "gpt_oss" : named.param;
                         });

}  // namespace
}  // namespace weft::kernels

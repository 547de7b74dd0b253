// A small model of every tensor type, whole, on the cpu backend and on the reference.
#include <gtest/gtest.h>

#include "base/text.h"
#include "kernels/evaluate.h"
#include "kernels/slice_memory.h"
#include "model/synth.h"
#include "tests/kernels/agreement.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"
#include "tests/support/support.h"

namespace weft::kernels {
namespace {

std::vector<std::string> all_quants() {
  std::vector<std::string> quants = split(model::synth_quants(), ',');
  for (std::string& quant : quants) quant = trim(quant);
  return quants;
}

class EveryType : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryType, TheCpuComputesWhatTheReferenceDoesAndTheSameForAnySplit) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.gguf";
  ASSERT_TRUE(model::write_synthetic({.path = path, .shape = "tiny", .quant = GetParam()}).ok());
  const auto model = model::Model::open(path).value();
  std::vector<TokenId> tokens(24);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = TokenId((i * 37 + 11) % 500);
  const auto reference = make_reference_backend();
  const auto expected = evaluate_logits(*reference, model, tokens, {}).value();
  for (const bool scalar : {false, true}) {
    const auto cpu = make_cpu_backend({.threads = 2, .force_scalar = scalar}).value();
    const auto logits = evaluate_logits(*cpu, model, tokens, {}).value();
    const double found = compare(logits, expected).correlation;
    RecordProperty(scalar ? "scalar" : "vectors", std::to_string(found));
    EXPECT_GE(found, 0.999) << cpu->detail();
    // Tied embeddings: the first slice only looks rows up, the last only multiplies.
    EXPECT_EQ(evaluate_logits(*cpu, model, tokens, {.chunk = 7, .cuts = {1, 3}}).value(), logits);
  }
}

// Few tokens: where the device is a processor in disguise, this takes its time.
TEST_P(EveryType, AVulkanDeviceComputesItToo) {
  WEFT_VULKAN_OR_SKIP(vulkan);
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.gguf";
  ASSERT_TRUE(model::write_synthetic({.path = path, .shape = "nano", .quant = GetParam()}).ok());
  const auto model = model::Model::open(path).value();
  const std::vector<TokenId> tokens = {3, 40, 77, 5};
  const auto reference = make_reference_backend();
  const auto expected = evaluate_logits(*reference, model, tokens, {}).value();
  const auto logits = evaluate_logits(*vulkan, model, tokens, {}).value();
  EXPECT_GE(compare(logits, expected).correlation, 0.998);
  EXPECT_EQ(evaluate_logits(*vulkan, model, tokens, {.chunk = 1, .cuts = {1}}).value(), logits);
  EXPECT_EQ(vulkan->device().complaints(), 0u);
}

TEST_P(EveryType, TheEstimateOfItsMemoryIsWhatItTakes) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.gguf";
  ASSERT_TRUE(model::write_synthetic({.path = path, .shape = "tiny", .quant = GetParam()}).ok());
  const auto model = model::Model::open(path).value();
  const auto cpu = make_cpu_backend({.threads = 1}).value();
  for (const auto& [first, last] : {std::pair{0u, 4u}, {0u, 2u}, {2u, 4u}}) {
    const SliceOptions options{.first_layer = first, .last_layer = last, .kv_tokens = 64};
    const auto estimate = estimate_slice_memory(model, options, "cpu").value();
    const auto slice = Slice::load(*cpu, model, options).value();
    // All of its matrices are whole panels of rows.
    EXPECT_EQ(estimate.weight_bytes, slice->memory().weight_bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Quants, EveryType, ::testing::ValuesIn(all_quants()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace weft::kernels

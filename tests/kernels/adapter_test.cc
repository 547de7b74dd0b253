#include "kernels/adapter.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "kernels/evaluate.h"
#include "kernels/slice_memory.h"
#include "kernels/split_slice.h"
#include "model/synth.h"
#include "tests/kernels/tiny_model.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"
#include "tests/model/small_adapter.h"

namespace weft::kernels {
namespace {

// Of the logits' deviation. Where sums are of f32, what is added apart is rounded apart.
constexpr double kTolerance = 1e-5;
constexpr double kFloatTolerance = 3e-5;

// The largest difference, in deviations of `b`.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0, sum = 0, squares = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::abs(double{a.at(i)} - b[i]));
    sum += b[i], squares += double{b[i]} * b[i];
  }
  const double mean = sum / double(b.size());
  return largest / std::sqrt(squares / double(b.size()) - mean * mean);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class AdapterFiles : public ::testing::Test {
 protected:
  model::Model synthetic(const std::string& architecture, const std::string& quant) {
    const auto written = model::write_synthetic({.path = folder_ / (architecture + quant),
                                                 .architecture = architecture,
                                                 .shape = "nano",
                                                 .quant = quant});
    EXPECT_TRUE(written.ok()) << written.error().message;
    return model::Model::open(folder_ / (architecture + quant)).value();
  }
  model::Adapters adapters(const model::SmallAdapter& small, const model::Model& model,
                           float scale = 1) {
    small.write(folder_ / "adapter");
    auto file = model::open_adapter({folder_ / "adapter", scale}).value();
    return {model::fit_adapter(std::move(file), model).value()};
  }
  model::Adapters adapters(const model::Model& model, float scale = 1) {
    model::SmallAdapter small;
    small.pairs_of(model);
    return adapters(small, model, scale);
  }
  model::Model merged(const model::Model& model, const model::Adapters& adapters) {
    model::write_merged(model, *adapters.at(0)->from, folder_ / "merged");
    return model::Model::open(folder_ / "merged").value();
  }
  static std::vector<float> logits(Backend& backend, const model::Model& model,
                                   const EvaluateOptions& options = {}) {
    std::vector<TokenId> tokens(40);
    for (uint32_t i = 0; i < 40; ++i) tokens[i] = TokenId(i * i * 7 % model.config().vocab_size);
    return evaluate_logits(backend, model, tokens, options).value();
  }

  test::TemporaryFolder folder_;
};

class AdapterOf : public AdapterFiles, public ::testing::WithParamInterface<std::string> {};

TEST_P(AdapterOf, ComputesWhatMergedTensorsComputeOnEveryBackend) {
  const model::Model base = synthetic(GetParam(), "f32");
  const model::Adapters adapted = adapters(base, -1.5);
  const model::Model whole = merged(base, adapted);
  const auto reference = make_reference_backend();
  const auto cpu = cpu_backend(2);
  const auto vulkan = vulkan_backend();
  const auto unchanged = logits(*reference, base);
  for (Backend* backend : {reference.get(), cpu.get(), static_cast<Backend*>(vulkan.get())}) {
    if (!backend) continue;
    const auto got = logits(*backend, base, {.adapters = adapted});
    EXPECT_LT(difference(got, logits(*backend, whole)),
              backend == reference.get() ? kTolerance : kFloatTolerance) << backend->name();
    EXPECT_GT(difference(got, unchanged), 0.1) << "the adapter changes something";
  }
}

TEST_P(AdapterOf, ChunksAndCutsChangeNoBit) {
  const auto cpu = cpu_backend(2);
  const auto vulkan = vulkan_backend();
  const model::Model base = synthetic(GetParam(), "q8_0");
  const model::Adapters adapted = adapters(base);
  for (Backend* backend : {cpu.get(), static_cast<Backend*>(vulkan.get())}) {
    if (!backend) continue;
    const auto whole = logits(*backend, base, {.adapters = adapted});
    EXPECT_TRUE(same_bits(logits(*backend, base, {.chunk = 1, .adapters = adapted}), whole));
    EXPECT_TRUE(same_bits(logits(*backend, base, {.chunk = 9, .adapters = adapted}), whole));
    EXPECT_TRUE(same_bits(logits(*backend, base,
                                 {.chunk = 13, .cuts = {1, 2}, .adapters = adapted}), whole));
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, AdapterOf,
                         ::testing::Values("llama", "phi3", "qwen3moe", "gemma2"));

TEST_F(AdapterFiles, OfScaleZeroIsTheModelItself) {
  const auto backend = cpu_backend(2);
  const model::Model base = synthetic("llama", "q4_0");
  const auto expected = logits(*backend, base);
  EXPECT_TRUE(same_bits(logits(*backend, base, {.adapters = adapters(base, 0)}), expected));
  SliceOptions options{.last_layer = 3, .kv_tokens = 32};
  const auto plain = estimate_slice_memory(base, options, "cpu").value();
  options.adapters = adapters(base, 0);
  EXPECT_EQ(estimate_slice_memory(base, options, "cpu")->weight_bytes, plain.weight_bytes);
}

TEST_F(AdapterFiles, MayBeSeveralAndOfTheOutput) {
  const TinyModel tiny({.tied = false});
  const auto backend = make_reference_backend();
  const model::Adapters once = adapters(tiny.get(), 2), half = adapters(tiny.get(), 1);
  ASSERT_TRUE(once[0]->output);
  const auto expected = logits(*backend, merged(tiny.get(), once));
  EXPECT_LT(difference(logits(*backend, tiny.get(), {.adapters = once}), expected), kTolerance);
  const model::Adapters both = {half[0], half[0]};
  EXPECT_LT(difference(logits(*backend, tiny.get(), {.adapters = both}), expected), kTolerance);
}

TEST_F(AdapterFiles, MayBeOfAnyType) {
  const auto backend = make_reference_backend();
  const model::Model base = synthetic("llama", "f32");
  for (const auto type : {model::TensorType::kF16, model::TensorType::kBF16,
                          model::TensorType::kQ8_0, model::TensorType::kQ4_0}) {
    model::SmallAdapter small;
    small.pair("blk.1.attn_v.weight", 64, 128, 32, type);
    small.pair("blk.2.ffn_up.weight", 256, 128, 64, type);
    const model::Adapters adapted = adapters(small, base);
    EXPECT_LT(difference(logits(*backend, base, {.adapters = adapted}),
                         logits(*backend, merged(base, adapted))), kTolerance);
  }
}

TEST_F(AdapterFiles, AreInTheEstimateOfASlicesMemory) {
  const auto backend = make_reference_backend();
  const TinyModel tiny({.tied = false});
  const model::Adapters adapted = adapters(tiny.get());
  for (const uint32_t last : {2u, 3u}) {
    SliceOptions options{.first_layer = 1, .last_layer = last, .kv_tokens = 64};
    const auto plain = estimate_slice_memory(tiny.get(), options, "reference").value();
    options.adapters = adapted;
    const auto estimate = estimate_slice_memory(tiny.get(), options, "reference").value();
    const auto slice = Slice::load(*backend, tiny.get(), options).value();
    EXPECT_EQ(estimate.weight_bytes, slice->memory().weight_bytes);
    EXPECT_EQ(estimate.scratch_bytes, slice->memory().scratch_bytes);
    EXPECT_GT(estimate.weight_bytes, plain.weight_bytes);
    EXPECT_GT(estimate.scratch_bytes, plain.scratch_bytes);
  }
}

TEST_F(AdapterFiles, GoWithTheirLayersToTheProcessorBesideADevice) {
  const auto device = make_reference_backend(), processor = make_reference_backend();
  const TinyModel tiny;
  SliceOptions options{.last_layer = 3, .kv_tokens = 64, .adapters = adapters(tiny.get())};
  SliceOptions two = options;
  two.first_layer = 1;
  const auto memory = estimate_slice_memory(tiny.get(), two, "reference").value();
  const SlicePlaces places{*device,
                           memory.weight_bytes + memory.kv_bytes + memory.scratch_bytes,
                           processor.get()};
  const auto placed = load_placed_slice(places, tiny.get(), options).value();
  EXPECT_EQ(placed.device_from, 1u);
  const auto whole = Slice::load(*device, tiny.get(), options).value();
  SliceBatch batch;
  batch.sequences = {{SessionId{1}, 0, 9, 9}};
  batch.tokens = tiny.tokens(9);
  EXPECT_EQ(placed.slice->forward(batch)->logits, whole->forward(batch)->logits);
}

TEST_F(AdapterFiles, ThatShrinkUnderUsAreCorruptAndNotZeros) {
  const TinyModel tiny;
  model::SmallAdapter small;
  small.pair("blk.0.attn_q.weight", 32, 32, 2048);
  const model::Adapters adapted = adapters(small, tiny.get());
  ASSERT_EQ(::truncate((folder_ / "adapter").c_str(), 4096), 0);
  const auto backend = make_reference_backend();
  const auto slice = Slice::load(
      *backend, tiny.get(), {.last_layer = 3, .kv_tokens = 32, .adapters = adapted});
  ASSERT_FALSE(slice.ok());
  EXPECT_EQ(slice.error().code, ErrorCode::kCorrupt) << slice.error().message;
}

}  // namespace
}  // namespace weft::kernels

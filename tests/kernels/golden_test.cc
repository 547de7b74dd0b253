// The golden models on every backend: the tolerances are those of the golden data's README, but for
// gemma2, whose reference rounds what goes into GELU and comes out of it to f16 (as that of
// llama-tiny-f16 rounds activations): given the prompt token by token instead of at once, it
// differs from itself by 1.3e-3.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <ostream>

#include "base/file.h"
#include "kernels/evaluate.h"
#include "tests/kernels/agreement.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"
#include "tests/support/support.h"

namespace weft::kernels {
namespace {

constexpr uint64_t kFileBytesMax = 64 << 20;
constexpr size_t kGreedyCount = 32;

struct GoldenModel {
  std::string name;
  // Largest difference allowed, in standard deviations of the golden logits; 0: quantized, where
  // the golden logits are of rounded activations and only correlation is meaningful.
  double tolerance;
};
const GoldenModel kModels[] = {{"llama", 1e-4},          {"llama-untied-ropefreqs", 1e-4},
                               {"llama-tiny-f16", 1e-2}, {"llama-tiny-q4_0", 0},
                               {"llama-tiny-q8_0", 0},   {"llama-tiny-q4_k_m", 0},
                               {"qwen2", 1e-4},          {"qwen3", 2e-2},
                               {"gemma2", 1e-2},         {"gemma3", 2e-2},
                               {"phi3", 1e-4},           {"moe-llama", 1e-4},
                               {"moe-qwen3", 2e-2}};
constexpr double kGoldenCorrelation = 0.998;
// Against our own f64 sums: of models without rounded activations, and of quantized ones.
constexpr double kReferenceTolerance = 1e-4;
constexpr double kReferenceCorrelation = 0.999;
// Of quantized models: how far, in standard deviations, the golden id may be behind our best one.
constexpr double kCloseRace = 0.3;

struct NamedBackend {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
};
const NamedBackend kBackends[] = {
    {"reference", make_reference_backend},
    {"cpu", [] { return make_cpu_backend({.threads = 2}).value(); }},
    {"cpu_scalar", [] { return make_cpu_backend({.threads = 2, .force_scalar = true}).value(); }},
    {"vulkan", [] { return std::unique_ptr<Backend>(vulkan_backend()); }}};

struct GoldenCase {
  NamedBackend backend;
  GoldenModel model;
};
std::ostream& operator<<(std::ostream& out, const GoldenCase& c) {
  return out << c.backend.name << " " << c.model.name;
}

std::vector<TokenId> read_ids(const std::string& path) {
  std::ifstream stream(path);
  return {std::istream_iterator<TokenId>(stream), {}};
}

std::vector<float> read_floats(const std::string& path) {
  const Bytes bytes = read_file(path, kFileBytesMax).value();
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

class GoldenLogits : public ::testing::TestWithParam<GoldenCase> {
 protected:
  void open(const std::string& golden) {
    const std::string stem = golden + "/logits/" + GetParam().model.name;
    model_ = std::make_unique<model::Model>(model::Model::open(stem + ".gguf").value());
    tokens_ = read_ids(stem + ".tokens");
    logits_ = read_floats(stem + ".logits");
    greedy_ = read_ids(stem + ".greedy");
    ASSERT_EQ(tokens_.size(), 48u);
    ASSERT_EQ(logits_.size(), tokens_.size() * model_->config().vocab_size);
    ASSERT_EQ(greedy_.size(), kGreedyCount);
  }

  std::unique_ptr<Slice> load_whole(Backend& backend, uint32_t kv_tokens) const {
    return Slice::load(backend, *model_,
                       {.last_layer = model_->config().layer_count,
                        .kv_type = KvType::kF32,
                        .kv_tokens = kv_tokens})
        .value();
  }

  std::unique_ptr<model::Model> model_;
  std::vector<TokenId> tokens_, greedy_;
  std::vector<float> logits_;
};

TEST_P(GoldenLogits, AreWithinTheTolerance) {
  WEFT_GOLDEN_OR_SKIP(golden);
  open(golden);
  const auto backend = GetParam().backend.make();
  if (!backend) GTEST_SKIP() << "no Vulkan device here";
  const auto ours = evaluate_logits(*backend, *model_, tokens_, {}).value();
  const Agreement agreement = compare(ours, logits_);
  std::printf("largest difference %.2e deviations, correlation %.6f\n", agreement.largest,
              agreement.correlation);
  if (GetParam().model.tolerance > 0) {
    EXPECT_LT(agreement.largest, GetParam().model.tolerance);
  } else {
    EXPECT_GE(agreement.correlation, kGoldenCorrelation);
  }
}

// The golden ids are given whatever ours would have been, so that one close race cannot hide the
// steps after it. Where ours differ, the golden id must have been almost as likely.
TEST_P(GoldenLogits, GreedyIdsThatFollowAreTheSame) {
  WEFT_GOLDEN_OR_SKIP(golden);
  open(golden);
  const auto backend = GetParam().backend.make();
  if (!backend) GTEST_SKIP() << "no Vulkan device here";
  const auto slice = load_whole(*backend, uint32_t(tokens_.size() + kGreedyCount));
  const double deviation = compare(logits_, logits_).deviation;
  const double allowed = GetParam().model.tolerance > 0 ? 0 : kCloseRace * deviation;

  std::vector<TokenId> next = tokens_;
  uint32_t position = 0;
  for (const TokenId expected : greedy_) {
    const uint32_t count = uint32_t(next.size());
    const auto output = slice->forward({{{SessionId{1}, position, count, 1}}, next, {}}).value();
    position += count;
    const auto best = std::max_element(output.logits.begin(), output.logits.end());
    EXPECT_LE(*best - output.logits[expected], allowed)
        << "we would continue position " << position << " with " << best - output.logits.begin()
        << ", the golden id is " << expected;
    next = {expected};
  }
}

TEST_P(GoldenLogits, ChunksAndSplitsGiveTheSameBytes) {
  WEFT_GOLDEN_OR_SKIP(golden);
  open(golden);
  const auto backend = GetParam().backend.make();
  if (!backend) GTEST_SKIP() << "no Vulkan device here";
  const auto whole = evaluate_logits(*backend, *model_, tokens_, {.chunk = 48}).value();
  const EvaluateOptions others[] = {
      {.chunk = 1}, {.chunk = 7}, {.cuts = {1, 2}}, {.chunk = 7, .cuts = {1, 2}}};
  for (const EvaluateOptions& options : others) {
    EXPECT_EQ(evaluate_logits(*backend, *model_, tokens_, options).value(), whole)
        << "chunk " << options.chunk << ", " << options.cuts.size() << " cuts";
  }
}

TEST_P(GoldenLogits, ABatchOfSessionsGivesTheBytesOfOneAlone) {
  WEFT_GOLDEN_OR_SKIP(golden);
  open(golden);
  const auto backend = GetParam().backend.make();
  if (!backend) GTEST_SKIP() << "no Vulkan device here";
  const size_t vocab = model_->config().vocab_size;
  const auto whole = evaluate_logits(*backend, *model_, tokens_, {}).value();
  const auto slice = load_whole(*backend, 256);

  // Each session reads a beginning of the same prompt, so every row has its twin in `whole`.
  const std::vector<SequenceRows> batches[] = {
      {{SessionId{1}, 0, 30, 30}, {SessionId{2}, 0, 5, 5}},
      {{SessionId{2}, 5, 1, 1}, {SessionId{1}, 30, 18, 18}, {SessionId{3}, 0, 1, 1}},
      {{SessionId{3}, 1, 1, 1}, {SessionId{2}, 6, 1, 1}},
      {{SessionId{3}, 2, 40, 40}},
  };
  for (const auto& sequences : batches) {
    SliceBatch batch{sequences, {}, {}};
    std::vector<float> expected;
    for (const SequenceRows& rows : sequences) {
      const size_t end = rows.first_position + rows.row_count;
      batch.tokens.insert(batch.tokens.end(), tokens_.begin() + rows.first_position,
                          tokens_.begin() + end);
      expected.insert(expected.end(), whole.begin() + rows.first_position * vocab,
                      whole.begin() + end * vocab);
    }
    EXPECT_EQ(slice->forward(batch).value().logits, expected);
  }
}

// Only for backends that are not the yardstick themselves.
class FastGoldenLogits : public GoldenLogits {};

TEST_P(FastGoldenLogits, AgreeWithTheReferenceBackend) {
  WEFT_GOLDEN_OR_SKIP(golden);
  open(golden);
  const auto reference_backend = make_reference_backend();
  const auto backend = GetParam().backend.make();
  if (!backend) GTEST_SKIP() << "no Vulkan device here";
  const auto yardstick = evaluate_logits(*reference_backend, *model_, tokens_, {}).value();
  const auto ours = evaluate_logits(*backend, *model_, tokens_, {}).value();
  const Agreement agreement = compare(ours, yardstick);
  std::printf("largest difference %.2e deviations, correlation %.6f\n", agreement.largest,
              agreement.correlation);
  if (GetParam().model.tolerance > 0) {
    EXPECT_LT(agreement.largest, kReferenceTolerance);
  } else {
    EXPECT_GE(agreement.correlation, kReferenceCorrelation);
  }
}

std::vector<GoldenCase> cases(std::span<const NamedBackend> backends) {
  std::vector<GoldenCase> cases;
  for (const NamedBackend& backend : backends) {
    for (const GoldenModel& model : kModels) cases.push_back({backend, model});
  }
  return cases;
}

std::string case_name(const ::testing::TestParamInfo<GoldenCase>& test) {
  std::string name = test.param.backend.name + "_" + test.param.model.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(EveryBackend, GoldenLogits, ::testing::ValuesIn(cases(kBackends)),
                         case_name);
// The first backend is the reference.
INSTANTIATE_TEST_SUITE_P(OtherBackends, FastGoldenLogits,
                         ::testing::ValuesIn(cases(std::span(kBackends).subspan(1))), case_name);

}  // namespace
}  // namespace weft::kernels

// The golden llama models on every backend: the tolerances are those of the golden data's README.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <ostream>

#include "base/file.h"
#include "kernels/evaluate.h"
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
                               {"llama-tiny-q8_0", 0},   {"llama-tiny-q4_k_m", 0}};
constexpr double kGoldenCorrelation = 0.998;

struct NamedBackend {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
};
const NamedBackend kBackends[] = {{"reference", make_reference_backend}};

struct GoldenCase {
  NamedBackend backend;
  GoldenModel model;
};
std::ostream& operator<<(std::ostream& out, const GoldenCase& c) {
  return out << c.backend.name << " " << c.model.name;
}

struct Statistics {
  double deviation;  // of the second
  double largest;    // difference
  double correlation;
};
Statistics compare(std::span<const float> ours, std::span<const float> theirs) {
  double x = 0, y = 0, xx = 0, yy = 0, xy = 0, largest = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    x += ours[i];
    y += theirs[i];
    xx += double{ours[i]} * ours[i];
    yy += double{theirs[i]} * theirs[i];
    xy += double{ours[i]} * theirs[i];
    largest = std::max(largest, std::abs(double{ours[i]} - theirs[i]));
  }
  const double n = double(ours.size());
  const double x_variance = xx / n - x / n * x / n, y_variance = yy / n - y / n * y / n;
  return {std::sqrt(y_variance), largest,
          (xy / n - x / n * y / n) / std::sqrt(x_variance * y_variance)};
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

  // The ids that follow `prompt`, each the most likely (the lowest on a tie).
  std::vector<TokenId> generate_greedy(Backend& backend, std::span<const TokenId> prompt) const {
    const auto slice = Slice::load(backend, *model_,
                                   {.last_layer = model_->config().layer_count,
                                    .kv_type = KvType::kF32,
                                    .kv_tokens = uint32_t(prompt.size() + kGreedyCount)})
                           .value();
    std::vector<TokenId> next(prompt.begin(), prompt.end()), generated;
    uint32_t position = 0;
    while (generated.size() < kGreedyCount) {
      const uint32_t count = uint32_t(next.size());
      const auto output = slice->forward({{{SessionId{1}, position, count, 1}}, next, {}}).value();
      const auto best = std::max_element(output.logits.begin(), output.logits.end());
      generated.push_back(TokenId(best - output.logits.begin()));
      position += count;
      next = {generated.back()};
    }
    return generated;
  }

  std::unique_ptr<model::Model> model_;
  std::vector<TokenId> tokens_, greedy_;
  std::vector<float> logits_;
};

TEST_P(GoldenLogits, AreWithinTheTolerance) {
  WEFT_GOLDEN_OR_SKIP(golden);
  open(golden);
  const auto backend = GetParam().backend.make();
  const auto ours = evaluate_logits(*backend, *model_, tokens_, {}).value();
  const Statistics statistics = compare(ours, logits_);
  std::printf("largest difference %.2e deviations, correlation %.6f\n",
              statistics.largest / statistics.deviation, statistics.correlation);
  if (GetParam().model.tolerance > 0) {
    EXPECT_LT(statistics.largest, GetParam().model.tolerance * statistics.deviation);
  } else {
    EXPECT_GE(statistics.correlation, kGoldenCorrelation);
  }
}

TEST_P(GoldenLogits, GreedyIdsThatFollowAreTheSame) {
  WEFT_GOLDEN_OR_SKIP(golden);
  if (GetParam().model.tolerance == 0) {
    GTEST_SKIP() << "skipped: rounded activations may prefer another id in a close race";
  }
  open(golden);
  const auto backend = GetParam().backend.make();
  EXPECT_EQ(generate_greedy(*backend, tokens_), greedy_);
}

TEST_P(GoldenLogits, ChunksAndSplitsGiveTheSameBytes) {
  WEFT_GOLDEN_OR_SKIP(golden);
  open(golden);
  const auto backend = GetParam().backend.make();
  const auto whole = evaluate_logits(*backend, *model_, tokens_, {.chunk = 48}).value();
  const EvaluateOptions others[] = {
      {.chunk = 1}, {.chunk = 7}, {.cuts = {1, 2}}, {.chunk = 7, .cuts = {1, 2}}};
  for (const EvaluateOptions& options : others) {
    EXPECT_EQ(evaluate_logits(*backend, *model_, tokens_, options).value(), whole)
        << "chunk " << options.chunk << ", " << options.cuts.size() << " cuts";
  }
}

std::vector<GoldenCase> cases() {
  std::vector<GoldenCase> cases;
  for (const NamedBackend& backend : kBackends) {
    for (const GoldenModel& model : kModels) cases.push_back({backend, model});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(EveryBackend, GoldenLogits, ::testing::ValuesIn(cases()),
                         [](const auto& test) {
                           std::string name = test.param.backend.name + "_" + test.param.model.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace weft::kernels

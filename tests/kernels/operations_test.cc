// Operations that only some families need, and what an observer is told, on every backend.
#include <gtest/gtest.h>

#include <bit>
#include <cctype>
#include <functional>
#include <limits>
#include <ostream>

#include "model/quantize.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

struct NamedBackend {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
};
std::ostream& operator<<(std::ostream& out, const NamedBackend& backend) {
  return out << backend.name;
}
std::vector<NamedBackend> all_backends() {
  std::vector<NamedBackend> list = {
      {"vulkan", [] { return std::unique_ptr<Backend>(vulkan_backend()); }}};
  for (const KernelTable* table : tables()) {
    list.push_back({table->name, [table] { return cpu_backend(2, *table); }});
  }
  return list;
}

class Operations : public ::testing::TestWithParam<NamedBackend> {
 protected:
  void SetUp() override {
    backend_ = GetParam().make();
    if (!backend_) GTEST_SKIP() << "no Vulkan device here";
  }
  // Runs on the backend and on the reference; values within `tolerance` of the largest.
  void expect_same(double tolerance, const std::function<std::vector<float>(Backend&)>& run) {
    const auto got = run(*backend_);
    const auto expected = run(*reference_);
    ASSERT_EQ(got.size(), expected.size());
    double largest = 0;
    for (const float value : expected) largest = std::max(largest, std::abs(double{value}));
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], expected[i], tolerance * largest) << "at " << i;
    }
  }

  Random random_{test::test_seed(31)};
  std::unique_ptr<Backend> backend_, reference_ = make_reference_backend();
};

TEST_P(Operations, EveryActivationAndTheSoftCap) {
  const auto gate = random_floats(333, random_), up = random_floats(333, random_);
  for (const auto activation :
       {model::Activation::kSilu, model::Activation::kGelu, model::Activation::kClampedSilu}) {
    for (const float size : {1.0f, 40.0f}) {
      expect_same(1e-6, [&](Backend& backend) {
        std::vector<float> large = gate;
        for (float& value : large) value *= size;
        const auto a = to_buffer(backend, large), b = to_buffer(backend, up);
        backend.glu(activation, *a, *a, *b, gate.size());
        return result(backend, *a);
      });
    }
  }
  expect_same(1e-6, [&](Backend& backend) {
    std::vector<float> wide = gate;
    for (size_t i = 0; i < wide.size(); ++i) wide[i] *= i % 2 == 0 ? 3 : 3000;
    const auto a = to_buffer(backend, wide);
    backend.soft_cap(*a, 30, wide.size());
    return result(backend, *a);
  });
}

TEST_P(Operations, AttentionWithAWindowACapAndSinks) {
  constexpr uint32_t kHeads = 6, kKvHeads = 2, kDim = 32, kTokens = 150;
  std::vector<uint32_t> pages = {4, 0, 3, 1, 2};
  std::vector<KvRow> rows;
  for (uint32_t p = 0; p < kTokens; ++p) rows.push_back({p, pages});
  const auto q = random_floats(kTokens * kHeads * kDim, random_);
  const auto k = random_floats(kTokens * kKvHeads * kDim, random_);
  const auto v = random_floats(kTokens * kKvHeads * kDim, random_);
  const std::vector<float> sinks = {0, 1, -3, 40, -40, 0.5f};
  const Bytes sink_bytes = model::quantize(model::TensorType::kF32, sinks);
  for (const uint32_t window : {0u, 1u, 5u, 32u, 33u, 64u, 149u, 150u}) {
    for (const bool more : {false, true}) {
      expect_same(2e-6, [&](Backend& backend) {
        const auto weight = backend.load({model::TensorType::kF32, 1, kHeads, sink_bytes, {}},
                                         WeightUse::kLookup).value();
        const auto kv = backend.allocate_kv({KvType::kF32, 1, kKvHeads, kDim, 5}).value();
        const auto keys = to_buffer(backend, k), values = to_buffer(backend, v);
        backend.append_kv(*kv, 0, *keys, *values, rows);
        const auto out = backend.allocate(q.size()).value();
        const auto queries = to_buffer(backend, q);
        backend.attention(*out, *queries, *kv, 0, rows,
                          {kHeads, kKvHeads, kDim, 0.4f, more ? 2.0f : 0, window,
                           more ? weight.get() : nullptr});
        return result(backend, *out);
      });
    }
  }
}

// A row of a windowed layer is given only the pages that it sees.
TEST_P(Operations, AttentionOverTheLastPagesOfARing) {
  constexpr uint32_t kDim = 32, kTokens = 100, kWindow = 40;
  const std::vector<uint32_t> all = {0, 1, 2, 3}, last = {2, 3};
  const auto k = random_floats(kTokens * kDim, random_), v = random_floats(kTokens * kDim, random_);
  const auto q = random_floats(kDim, random_);
  for (const bool ring : {false, true}) {
    expect_same(2e-6, [&](Backend& backend) {
      const auto kv = backend.allocate_kv({KvType::kF32, 1, 1, kDim, 4}).value();
      std::vector<KvRow> rows;
      for (uint32_t p = 0; p < kTokens; ++p) rows.push_back({p, all});
      const auto keys = to_buffer(backend, k), values = to_buffer(backend, v);
      backend.append_kv(*kv, 0, *keys, *values, rows);
      const KvRow row = ring ? KvRow{104, last, 2} : KvRow{104, all};
      const auto one_key = to_buffer(backend, q), query = to_buffer(backend, q);
      backend.append_kv(*kv, 0, *one_key, *one_key, {&row, 1});
      const auto out = backend.allocate(kDim).value();
      backend.attention(*out, *query, *kv, 0, {&row, 1}, {1, 1, kDim, 1, 0, kWindow});
      return result(backend, *out);
    });
  }
}

TEST_P(Operations, ExpertsOfEveryTypeForAnyNumberOfRows) {
  constexpr uint32_t kExperts = 5, kUsed = 2, kOut = 24, kCols = 256;
  for (const model::TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, kExperts * kOut, kCols, random_);
    const auto bias = random_floats(kExperts * kOut, random_);
    const Bytes bias_bytes = model::quantize(model::TensorType::kF32, bias);
    for (const uint32_t count : {1u, 3u, 17u}) {
      const auto logits = random_floats(count * kExperts, random_);
      const auto x = random_floats(count * kUsed * kCols, random_);
      const ExpertRows rows{count, kExperts, kUsed};
      for (const bool spread : {false, true}) {
        const bool rounded = type != model::TensorType::kF32;
        expect_same(rounded ? 2e-2 : 1e-5, [&](Backend& backend) {
          const auto weight = backend.load(tensor.view(), WeightUse::kMatmul).value();
          const auto added = backend.load({model::TensorType::kF32, kExperts, kOut, bias_bytes, {}},
                                          WeightUse::kLookup).value();
          const auto choice = backend.allocate(count * 2 * kUsed).value();
          const auto from = to_buffer(backend, x), scores = to_buffer(backend, logits);
          const auto parts = backend.allocate(count * kUsed * kOut).value();
          const auto sums = to_buffer(backend, std::vector<float>(count * kOut, 1));
          backend.choose_experts(*choice, *scores, rows);
          const MatmulTarget target{weight.get(), parts.get()};
          backend.matmul_experts({&target, 1}, *from, spread, *choice, rows);
          backend.add_expert_bias(*parts, *added, *choice, rows);
          backend.add_experts(*sums, *parts, kOut, *choice, rows);
          return result(backend, *sums);
        });
      }
    }
  }
}

TEST_P(Operations, ARowHasTheSameBitsAmongOthersThatChooseOtherExperts) {
  constexpr uint32_t kExperts = 8, kUsed = 3, kOut = 16, kCols = 256, kCount = 23;
  const Tensor tensor = make_tensor(model::TensorType::kQ4_K, kExperts * kOut, kCols, random_);
  const auto weight = backend_->load(tensor.view(), WeightUse::kMatmul).value();
  const auto logits = random_floats(kCount * kExperts, random_);
  const auto x = random_floats(kCount * kCols, random_);
  const auto run = [&](uint32_t first, uint32_t count) {
    const ExpertRows rows{count, kExperts, kUsed};
    const auto part = [&](const std::vector<float>& of, size_t width) {
      return to_buffer(*backend_, {of.begin() + long(first * width),
                                   of.begin() + long((first + count) * width)});
    };
    const auto choice = backend_->allocate(count * 2 * kUsed).value();
    const auto scores = part(logits, kExperts), from = part(x, kCols);
    const auto parts = backend_->allocate(count * kUsed * kOut).value();
    const auto sums = to_buffer(*backend_, std::vector<float>(count * kOut));
    backend_->choose_experts(*choice, *scores, rows);
    const MatmulTarget target{weight.get(), parts.get()};
    backend_->matmul_experts({&target, 1}, *from, false, *choice, rows);
    backend_->add_experts(*sums, *parts, kOut, *choice, rows);
    return result(*backend_, *sums);
  };
  const auto together = run(0, kCount);
  for (uint32_t row = 0; row < kCount; ++row) {
    const auto alone = run(row, 1);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + row * kOut)) << row;
  }
}

// Exactly: a token is drawn from them. Sizes that no workgroup and no round divides, rows with many
// equal logits, and some that are no numbers.
TEST_P(Operations, TheBestLogitsOfEachRow) {
  constexpr uint32_t kRows = 3;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto bits_of = [](const std::vector<float>& values) {
    std::vector<uint32_t> bits;
    for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
    return bits;
  };
  for (const uint32_t cols : {1u, 61u, 1000u, 1024u, 1025u, 32'003u, 70'001u}) {
    for (const double levels : {1e9, 2.0}) {
      std::vector<float> logits(kRows * cols);
      for (float& logit : logits) logit = float(std::round(random_.normal() * levels) / levels);
      for (uint32_t i = 1; cols > 64 && i < 6; ++i) {
        logits[2 * cols + random_.below(cols)] = i % 3 == 0 ? NAN : i % 2 == 0 ? kInfinity
                                                                               : -kInfinity;
      }
      for (const uint32_t count : {1u, 2u, 5u, 40u, uint32_t(kBestLogitsMax)}) {
        if (count > cols) continue;
        const auto run = [&](Backend& backend) {
          const auto from = to_buffer(backend, logits);
          const auto best = backend.allocate(kRows * 2 * count).value();
          backend.best_logits(*best, *from, kRows, cols, count);
          return bits_of(result(backend, *best));
        };
        ASSERT_EQ(run(*backend_), run(*reference_)) << cols << " columns, the best " << count;
      }
    }
  }
}

// Exactly, for any temperature; a row with no scale is left out.
TEST_P(Operations, TheWeightsOfARowsTokens) {
  for (const uint32_t cols : {1u, 61u, 4096u, 4097u, 70'001u}) {
    const std::vector<float> scales = {1.4427f, 0, 0.02f, 57, 0x1p60f};
    const auto rows = uint32_t(scales.size());
    std::vector<float> logits(rows * cols);
    for (float& logit : logits) logit = float(random_.normal() * 5);
    const auto run = [&](Backend& backend, uint32_t count) {
      const auto from = to_buffer(backend, logits);
      const auto best = backend.allocate(rows * 2 * count).value();
      const auto totals = backend.allocate(rows * 3).value();
      backend.best_logits(*best, *from, rows, cols, count);
      backend.total_weights(*totals, *from, *best, rows, cols, count, scales);
      return result(backend, *totals);
    };
    const auto expected = run(*reference_, 1);
    EXPECT_EQ(run(*backend_, 1), expected) << cols;
    EXPECT_EQ(run(*backend_, std::min(cols, 40u)), expected) << cols;
    EXPECT_EQ(std::vector<float>(expected.begin() + 3, expected.begin() + 6),
              std::vector<float>(3, 0));
  }
}

TEST_P(Operations, AnObserverIsToldOfEach) {
  const auto* vulkan = dynamic_cast<VulkanBackend*>(backend_.get());
  if (vulkan && vulkan->device().timestamp_bits() == 0) GTEST_SKIP() << "the device has no clock";
  const auto a = to_buffer(*backend_, {1, 2}), b = to_buffer(*backend_, {3, 4});
  std::vector<std::string> names;
  Time last;
  backend_->observe([&](std::string_view name, Time begin, Time end) {
    names.emplace_back(name);
    EXPECT_LE(begin.ns, end.ns);
    EXPECT_LE(last.ns, end.ns);
    last = end;
  });
  for (int i = 0; i < 2; ++i) {
    backend_->add(*a, *b, 2);
    backend_->glu(model::Activation::kSilu, *a, *a, *b, 2);
    ASSERT_TRUE(backend_->finish().ok());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"add", "glu", "add", "glu"}));
  backend_->observe({});
  backend_->add(*a, *b, 2);
  ASSERT_TRUE(backend_->finish().ok());
  EXPECT_EQ(names.size(), 4u);
  if (vulkan) {
    EXPECT_EQ(vulkan->device().complaints(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryBackend, Operations, ::testing::ValuesIn(all_backends()),
                         [](const auto& named) {
                           std::string name = named.param.name;
                           for (char& c : name) c = std::isalnum(c) ? c : '_';
                           return name + "_" + std::to_string(named.index);
                         });

}  // namespace
}  // namespace weft::kernels

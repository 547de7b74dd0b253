#include "kernels/vulkan/backend.h"

#include <cmath>
#include <limits>

#include "base/text.h"
#include "tests/kernels/vulkan/vulkan_test_support.h"

namespace weft::kernels {
namespace {

using model::TensorType;

// Of x: one for each way in which the backend multiplies.
constexpr uint32_t kRowCounts[] = {1, 5, 17};
constexpr TensorType kQuantized[] = {TensorType::kQ8_0,   TensorType::kQ4_0,  TensorType::kQ4_K,
                                     TensorType::kQ5_K,   TensorType::kQ6_K,  TensorType::kIQ4_NL,
                                     TensorType::kIQ4_XS, TensorType::kMXFP4, TensorType::kQ4_1,
                                     TensorType::kQ5_0,   TensorType::kQ5_1};

TEST(VulkanBackend, SaysWhatItRunsOn) {
  WEFT_VULKAN_OR_SKIP(backend);
  EXPECT_EQ(backend->name(), "vulkan");
  EXPECT_FALSE(backend->detail().empty());
}

TEST(VulkanBackend, ProductsAreExactUpToFloatRoundingWhereInt8HoldsTheActivations) {
  WEFT_VULKAN_OR_SKIP(backend);
  Random random(test::test_seed(61));
  for (const TensorType type : kAllTypes) {
    for (const auto& [rows, blocks, x_rows] :
         {std::tuple{1, 1, 1}, {8, 2, 4}, {13, 3, 2}, {70, 9, 7}, {70, 3, 37}}) {
      const uint32_t block = std::max(32u, uint32_t(model::tensor_type_info(type).block_elements));
      const Tensor tensor = make_tensor(type, rows, blocks * block, random);
      const std::vector<float> x = exact_floats(x_rows, tensor.cols, random);
      std::vector<double> sizes;
      const std::vector<double> expected = multiply(x, tensor, &sizes);
      const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
      const std::vector<float> out = run_matmul(*backend, *weight, x);
      for (size_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], expected[i], 2e-6 * sizes[i] + 1e-9)
            << model::tensor_type_info(type).name << " " << rows << " x " << tensor.cols
            << ", element " << i;
      }
    }
  }
  EXPECT_EQ(backend->device().complaints(), 0u);
}

TEST(VulkanBackend, ExtremeCodesScalesAndActivationsDoNotSaturate) {
  WEFT_VULKAN_OR_SKIP(backend);
  Random random(test::test_seed(62));
  for (const TensorType type : kQuantized) {
    for (const int fill : {0x00, 0x7f, 0x80, 0xff}) {
      const Tensor tensor = make_tensor(type, 16, 512, random, fill);
      const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
      for (const float value : {127.0f, -127.0f}) {
        const std::vector<float> x(2 * 512, value);
        std::vector<double> sizes;
        const std::vector<double> expected = multiply(x, tensor, &sizes);
        const std::vector<float> out = run_matmul(*backend, *weight, x);
        for (size_t i = 0; i < out.size(); ++i) {
          ASSERT_NEAR(out[i], expected[i], 2e-6 * sizes[i] + 1e-9);
        }
      }
    }
  }
}

TEST(VulkanBackend, ProductsHaveTheSameBitsForAnyBatch) {
  WEFT_VULKAN_OR_SKIP(backend);
  Random random(test::test_seed(63));
  constexpr uint32_t kRows = 37;
  for (const TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 75, 1024, random);
    const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
    const std::vector<float> x = random_floats(size_t{kRows} * tensor.cols, random);
    const std::vector<float> whole = run_matmul(*backend, *weight, x);
    for (const uint32_t step : {1u, 3u, 7u, 18u}) {
      std::vector<float> pieces;
      for (uint32_t row = 0; row < kRows; row += step) {
        const uint32_t count = std::min(step, kRows - row);
        const std::vector<float> part(x.begin() + row * tensor.cols,
                                      x.begin() + (row + count) * tensor.cols);
        const std::vector<float> out = run_matmul(*backend, *weight, part);
        pieces.insert(pieces.end(), out.begin(), out.end());
      }
      EXPECT_EQ(pieces, whole) << model::tensor_type_info(type).name << " by " << step;
    }
  }
}

// Tiles of the matrix beside row by row: sizes that no tile, no part and no step divides.
TEST(VulkanBackend, ProductsHaveTheSameBitsInTilesAndWithout) {
  VulkanOptions options = vulkan_options();
  const auto tiles = vulkan_backend(options);
  options.tiles_on_cpu = false;
  const auto rows = vulkan_backend(options);
  if (!tiles || rows->device().tiles()) GTEST_SKIP() << "no Vulkan device here that has both";
  ASSERT_TRUE(tiles->device().tiles());
  Random random(test::test_seed(68));
  for (const TensorType type : kAllTypes) {
    const uint32_t block = std::max(32u, uint32_t(model::tensor_type_info(type).block_elements));
    for (const auto& [out, blocks] :
         {std::tuple{1u, 1u}, {13u, 2u}, {64u, 8u}, {75u, 19u}, {131u, 11u}}) {
      const Tensor tensor = make_tensor(type, out, blocks * block, random);
      const auto one = tiles->load(tensor.view(), WeightUse::kMatmul).value();
      const auto other = rows->load(tensor.view(), WeightUse::kMatmul).value();
      for (const uint32_t x_rows : {16u, 31u, 65u}) {
        const std::vector<float> x = random_floats(size_t{x_rows} * tensor.cols, random);
        EXPECT_EQ(run_matmul(*tiles, *one, x), run_matmul(*rows, *other, x))
            << model::tensor_type_info(type).name << ", " << out << " x " << tensor.cols << ", "
            << x_rows << " rows";
      }
    }
  }
  EXPECT_EQ(tiles->device().complaints(), 0u);
}

// A packed dot product is the same sum of integers.
TEST(VulkanBackend, ProductsHaveTheSameBitsWithDotProductsOfBytesAndWithout) {
  VulkanOptions options = vulkan_options();
  options.dots = VulkanOptions::Dots::kNever;
  const auto plain = vulkan_backend(options);
  options.dots = VulkanOptions::Dots::kIfThere;
  const auto dots = vulkan_backend(options);
  if (!plain || !dots->device().dots()) GTEST_SKIP() << "no Vulkan device with dot products here";
  ASSERT_FALSE(plain->device().dots());
  Random random(test::test_seed(67));
  for (const TensorType type : kAllTypes) {
    for (const int fill : {-1, 0x00, 0x7f, 0x80, 0xff}) {
      const Tensor tensor = make_tensor(type, 75, 1024, random, fill);
      const auto one = plain->load(tensor.view(), WeightUse::kMatmul).value();
      const auto other = dots->load(tensor.view(), WeightUse::kMatmul).value();
      for (const uint32_t rows : kRowCounts) {
        const std::vector<float> x = random_floats(size_t{rows} * tensor.cols, random);
        EXPECT_EQ(run_matmul(*plain, *one, x), run_matmul(*dots, *other, x))
            << model::tensor_type_info(type).name << ", " << rows << " rows";
      }
    }
  }
  EXPECT_EQ(dots->device().complaints(), 0u);
}

// The same products on both, for sizes that no tile, no part and no step divides.
void expect_same_bits(VulkanBackend& one, VulkanBackend& other, TensorType type,
                      std::initializer_list<std::tuple<uint32_t, uint32_t, int>> sizes,
                      std::initializer_list<uint32_t> row_counts, Random& random) {
  const uint32_t block = uint32_t(model::tensor_type_info(type).block_elements);
  for (const auto& [out, blocks, fill] : sizes) {
    const Tensor tensor = make_tensor(type, out, blocks * block, random, fill);
    const auto weight = one.load(tensor.view(), WeightUse::kMatmul).value();
    const auto other_weight = other.load(tensor.view(), WeightUse::kMatmul).value();
    for (const uint32_t rows : row_counts) {
      const std::vector<float> x = random_floats(size_t{rows} * tensor.cols, random);
      EXPECT_EQ(run_matmul(one, *weight, x), run_matmul(other, *other_weight, x))
          << model::tensor_type_info(type).name << ", " << out << " x " << tensor.cols << ", "
          << rows << " rows";
    }
  }
}

// Integers are exact in matrices too.
TEST(VulkanBackend, ProductsHaveTheSameBitsInMatricesAndWithout) {
  VulkanOptions options = vulkan_options();
  const auto matrices = vulkan_backend(options);
  options.matrices = VulkanOptions::Matrices::kNever;
  options.tiles_on_cpu = false;
  const auto plain = vulkan_backend(options);
  if (!matrices) GTEST_SKIP() << "no Vulkan device here";
  if (!matrices->device().matrices().bytes) GTEST_SKIP() << matrices->device().matrices().absent;
  ASSERT_FALSE(plain->device().matrices().bytes);
  Random random(test::test_seed(70));
  for (const TensorType type : kQuantized) {
    expect_same_bits(*matrices, *plain, type,
                     {{1, 1, -1}, {13, 2, -1}, {64, 8, 0x00}, {64, 8, 0x7f}, {64, 8, 0x80},
                      {64, 8, 0xff}, {75, 19, -1}, {131, 11, -1}},
                     {16, 31, 32, 33, 65, 130}, random);
  }
  EXPECT_EQ(matrices->device().complaints(), 0u);
}

// The shapes and the subgroups of GPUs that are not here, in plain instructions.
struct PlainMatrices {
  MatrixShape shape;
  uint32_t subgroup;
};
class VulkanMatrixShapes : public ::testing::TestWithParam<PlainMatrices> {};

TEST_P(VulkanMatrixShapes, GiveTheSameBits) {
  VulkanOptions options = vulkan_options();
  options.plain_shape = GetParam().shape;
  options.plain_subgroup = GetParam().subgroup;
  const auto matrices = vulkan_backend(options);
  options.plain_shape = {};
  options.matrices = VulkanOptions::Matrices::kNever;
  options.tiles_on_cpu = false;
  const auto plain = vulkan_backend(options);
  if (!matrices) GTEST_SKIP() << "no Vulkan device here";
  Random random(test::test_seed(71));
  for (const TensorType type : kQuantized) {
    expect_same_bits(*matrices, *plain, type, {{75, 3, -1}, {40, 11, 0x80}}, {16, 67}, random);
  }
  EXPECT_EQ(matrices->device().complaints(), 0u);
}

INSTANTIATE_TEST_SUITE_P(OfGpus, VulkanMatrixShapes,
                         ::testing::Values(PlainMatrices{{16, 16, 32}, 32},
                                           PlainMatrices{{16, 16, 16}, 64},
                                           PlainMatrices{{8, 16, 32}, 32},
                                           PlainMatrices{{8, 8, 32}, 32}),
                         [](const auto& of) {
  const MatrixShape& shape = of.param.shape;
  return cat(shape.m, "x", shape.n, "x", shape.k, "_by_", of.param.subgroup);
});

// One expert of one is the matrix; so is each of several, also where the weights are in pieces.
TEST(VulkanBackend, ExpertsHaveTheBitsOfProductsWithTheirPartsAlone) {
  constexpr uint32_t kExperts = 3, kCols = 768;
  VulkanOptions options = vulkan_options();
  options.dots = VulkanOptions::Dots::kIfThere;
  const auto whole = vulkan_backend(options);
  if (!whole) GTEST_SKIP() << "no Vulkan device here";
  options.dots = VulkanOptions::Dots::kNever;
  options.buffer_bytes_max = 4 << 20;  // as large as the backend's own are
  const auto pieces = vulkan_backend(options);
  ASSERT_TRUE(pieces);
  Random random(test::test_seed(69));
  for (const TensorType type : kAllTypes) {
    const bool large = type == TensorType::kF32 || type == TensorType::kQ8_0;
    const uint32_t out_rows = large ? 2000 : 40;
    const Tensor tensor = make_tensor(type, kExperts * out_rows, kCols, random);
    const std::vector<float> x = random_floats(2 * kCols, random);
    const uint64_t expert_bytes = tensor.data.size() / kExperts;
    for (uint32_t expert = 0; expert < kExperts; ++expert) {
      std::vector<float> logits(2 * kExperts, 0);
      logits[expert] = logits[kExperts + expert] = 1;
      const TensorView part{type, out_rows, kCols,
                            ByteView(tensor.data).subspan(expert * expert_bytes, expert_bytes), {}};
      const auto alone = whole->load(part, WeightUse::kMatmul).value();
      const std::vector<float> expected = run_matmul(*whole, *alone, x);
      for (VulkanBackend* backend : {whole.get(), pieces.get()}) {
        const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
        const auto in = to_buffer(*backend, x), scores = to_buffer(*backend, logits);
        const auto choice = backend->allocate(4).value();
        const auto out = backend->allocate(2 * out_rows).value();
        const ExpertRows rows{2, kExperts, 1};
        const MatmulTarget target{weight.get(), out.get()};
        backend->choose_experts(*choice, *scores, rows);
        backend->matmul_experts({&target, 1}, *in, false, *choice, rows);
        EXPECT_EQ(result(*backend, *out), expected)
            << model::tensor_type_info(type).name << ", expert " << expert;
      }
    }
  }
  EXPECT_EQ(whole->device().complaints() + pieces->device().complaints(), 0u);
}

// One of so many experts, whatever the others choose: all the same one, some none, uneven groups.
TEST(VulkanBackend, RowsThatAreGroupedByExpertHaveTheBitsOfEachAlone) {
  constexpr uint32_t kExperts = 7, kUsed = 2, kCols = 512;
  VulkanOptions options = vulkan_options();
  options.tiles_on_cpu = false;
  const auto alone = vulkan_backend(options);
  if (!alone) GTEST_SKIP() << "no Vulkan device here";
  if (alone->device().tiles()) GTEST_SKIP() << "a GPU takes all in groups";
  options.tiles_on_cpu = true;
  options.dots = VulkanOptions::Dots::kIfThere;
  const auto grouped = vulkan_backend(options);
  options.dots = VulkanOptions::Dots::kNever;
  options.buffer_bytes_max = 4 << 20;
  const auto pieces = vulkan_backend(options);
  Random random(test::test_seed(70));
  for (const TensorType type : kAllTypes) {
    const uint32_t n = type == TensorType::kF32 || type == TensorType::kQ8_0 ? 1208 : 72;
    const Tensor tensor = make_tensor(type, kExperts * n, kCols, random);
    for (const uint32_t count : {14u, 37u, 70u}) {
      const ExpertRows rows{count, kExperts, kUsed};
      const std::vector<float> x = random_floats(count * kUsed * kCols, random);
      for (const uint32_t modulus : {1u, 2u, kExperts}) {
        std::vector<float> logits = random_floats(count * kExperts, random);
        for (uint32_t i = 0; i < logits.size(); ++i) logits[i] += i % kExperts % modulus ? 0 : 9;
        const bool spread = count == 37;
        const auto run = [&](VulkanBackend& backend) {
          const auto weight = backend.load(tensor.view(), WeightUse::kMatmul).value();
          const auto in = to_buffer(backend, x), scores = to_buffer(backend, logits);
          const auto choice = backend.allocate(2 * kUsed * count).value();
          const auto out = backend.allocate(kUsed * count * n).value();
          const MatmulTarget target{weight.get(), out.get()};
          backend.choose_experts(*choice, *scores, rows);
          backend.matmul_experts({&target, 1}, *in, spread, *choice, rows);
          return result(backend, *out);
        };
        const std::vector<float> expected = run(*alone);
        for (VulkanBackend* backend : {grouped.get(), pieces.get()}) {
          EXPECT_EQ(run(*backend), expected)
              << model::tensor_type_info(type).name << ", " << count << " rows, " << modulus;
        }
      }
    }
  }
  EXPECT_EQ(grouped->device().complaints() + pieces->device().complaints(), 0u);
}

TEST(VulkanBackend, ActivationsThatAreNoNumbersAreSeenInTheProduct) {
  WEFT_VULKAN_OR_SKIP(backend);
  Random random(test::test_seed(64));
  for (const TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 8, 256, random);
    const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
    for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      std::vector<float> x = random_floats(256, random);
      x[77] = bad;
      for (const float value : run_matmul(*backend, *weight, x)) {
        EXPECT_FALSE(std::isfinite(value)) << model::tensor_type_info(type).name;
      }
    }
    for (const float value : run_matmul(*backend, *weight, std::vector<float>(256, 1e-38f))) {
      EXPECT_NEAR(value, 0, 1e-33);
    }
  }
}

TEST(VulkanBackend, EmbedsTheRowsOfEveryType) {
  WEFT_VULKAN_OR_SKIP(backend);
  Random random(test::test_seed(65));
  for (const TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 45, 512, random);
    const auto table = backend->load(tensor.view(), WeightUse::kLookup).value();
    const std::vector<TokenId> tokens = {44, 0, 7, 8, 31};
    const auto out = backend->allocate(tokens.size() * tensor.cols).value();
    backend->embed(*out, *table, tokens, 1);
    const std::vector<float> got = result(*backend, *out);
    for (size_t i = 0; i < got.size(); ++i) {
      const float expected = tensor.values[tokens[i / 512] * 512 + i % 512];
      ASSERT_NEAR(got[i], expected, 1e-6 * std::abs(expected) + 1e-9)
          << model::tensor_type_info(type).name << " " << i;
    }
  }
}

// Each operation on this backend and on the reference's, with the same random input.
class VulkanBesideReference : public ::testing::Test {
 protected:
  void SetUp() override {
    vulkan_ = vulkan_backend();
    if (!vulkan_) GTEST_SKIP() << "no Vulkan device here";
    reference_ = make_reference_backend();
  }
  void TearDown() override {
    if (vulkan_) {
      EXPECT_EQ(vulkan_->device().complaints(), 0u);
    }
  }
  template <typename Run>
  void compare(const Run& run, double tolerance) {
    const std::vector<float> got = run(*vulkan_), expected = run(*reference_);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], expected[i], tolerance * (1 + std::abs(expected[i]))) << i;
    }
  }

  std::unique_ptr<VulkanBackend> vulkan_;
  std::unique_ptr<Backend> reference_;
  Random random_{test::test_seed(66)};
};

TEST_F(VulkanBesideReference, NormsOfAnyLengthInPlaceToo) {
  for (const uint32_t dim : {1u, 7u, 128u, 1000u, 2048u}) {
    const Tensor weight = make_tensor(TensorType::kF32, 1, dim, random_);
    const std::vector<float> x = random_floats(3 * dim, random_);
    compare(
        [&](Backend& backend) {
          const auto factors = backend.load(weight.view(), WeightUse::kLookup).value();
          const auto buffer = to_buffer(backend, x);
          backend.rms_norm(*buffer, *buffer, *factors, 3, 1e-5f);
          return result(backend, *buffer);
        },
        2e-6);
  }
}

TEST_F(VulkanBesideReference, RotatesGatesAddsAndGathers) {
  for (const bool interleaved : {true, false}) {
    RopeTable table;
    table.dims = 48;
    table.interleaved = interleaved;
    for (uint32_t i = 0; i < 64 * 24; ++i) {
      const double angle = 0.01 * (i / 24) * (1 + i % 24);
      table.cosines.push_back(float(std::cos(angle)));
      table.sines.push_back(float(std::sin(angle)));
    }
    const std::vector<float> x = random_floats(5 * 3 * 64, random_);
    compare(
        [&](Backend& backend) {
          const auto buffer = to_buffer(backend, x);
          backend.rope(*buffer, 5, 3, 64, table, std::vector<uint32_t>{0, 63, 7, 8, 31});
          return result(backend, *buffer);
        },
        2e-6);
  }
  for (const size_t count : {size_t{1}, size_t{1001}, size_t{300'003}}) {
    std::vector<float> gate = random_floats(count, random_);
    gate[0] = -300;
    const std::vector<float> up = random_floats(count, random_);
    compare(
        [&](Backend& backend) {
          const auto a = to_buffer(backend, gate), b = to_buffer(backend, up);
          backend.glu(model::Activation::kSilu, *a, *a, *b, count);
          backend.add(*b, *a, count);
          return result(backend, *b);
        },
        1e-5);
  }
  compare(
      [&](Backend& backend) {
        const auto from = to_buffer(backend, {0, 1, 2, 3, 4, 5}), to = backend.allocate(4).value();
        backend.gather_rows(*to, *from, 2, std::vector<uint32_t>{2, 0});
        return result(backend, *to);
      },
      0);
}

TEST_F(VulkanBesideReference, AttendsOverPagesInAnyOrderForEveryType) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    for (const auto& [heads, kv_heads, head_dim] :
         {std::tuple{4u, 2u, 64u}, {6u, 1u, 96u}, {3u, 3u, 256u}}) {
      const KvShape shape{type, 2, kv_heads, head_dim, 8};
      const uint32_t dim = heads * head_dim;
      const std::vector<uint32_t> first = {5, 0, 7}, second = {2, 6, 1, 3};
      std::vector<float> keys = random_floats(200 * shape.kv_dim(), random_);
      const std::vector<float> values = random_floats(200 * shape.kv_dim(), random_);
      const std::vector<float> q = random_floats(3 * dim, random_);
      compare(
          [&, heads = heads, kv_heads = kv_heads, head_dim = head_dim](Backend& backend) {
            const auto kv = backend.allocate_kv(shape).value();
            std::vector<KvRow> rows;
            for (uint32_t i = 0; i < 80; ++i) rows.push_back({i, first});
            for (uint32_t i = 0; i < 120; ++i) rows.push_back({i, second});
            const auto k = to_buffer(backend, keys), v = to_buffer(backend, values);
            backend.append_kv(*kv, 1, *k, *v, rows);
            const auto in = to_buffer(backend, q), out = backend.allocate(3 * dim).value();
            const std::vector<KvRow> asking = {{79, first}, {0, second}, {119, second}};
            backend.attention(*out, *in, *kv, 1, asking,
                              {heads, kv_heads, head_dim, 1 / std::sqrt(float(head_dim))});
            return result(backend, *out);
          },
          type == KvType::kQ8_0 ? 2e-3 : 2e-5);
    }
  }
}

TEST_F(VulkanBesideReference, AFailedRequestLeavesItUsable) {
  EXPECT_FALSE(vulkan_->allocate(size_t{1} << 50).ok());
  EXPECT_EQ(vulkan_->allocate(SIZE_MAX).error().code, ErrorCode::kExhausted);
  const KvShape shape{KvType::kF16, 1, 1, 512, 8};
  EXPECT_EQ(vulkan_->allocate_kv(shape).error().code, ErrorCode::kUnsupported);
  const auto a = to_buffer(*vulkan_, {1, 2}), b = to_buffer(*vulkan_, {3, 4});
  vulkan_->add(*a, *b, 2);
  EXPECT_EQ(result(*vulkan_, *a), (std::vector<float>{4, 6}));
}

// The recording of a step is run again, also after a buffer of it has gone and another has come.
TEST_F(VulkanBesideReference, RepeatsAStepWithOtherDataAndOtherBuffers) {
  for (int i = 0; i < 40; ++i) {
    const auto a = to_buffer(*vulkan_, {float(i), 2}), b = to_buffer(*vulkan_, {3, 4});
    for (int again = 0; again < 2; ++again) {
      vulkan_->add(*a, *b, 2);
      ASSERT_EQ(result(*vulkan_, *a),
                (std::vector<float>{i + 3.0f * (again + 1), 2 + 4.0f * (again + 1)}));
    }
  }
}

// Every step from here on fails as on a device that is gone, and says so.
TEST(VulkanBackend, ALostDeviceIsUnavailable) {
  VulkanOptions options = vulkan_options();
  const auto lost = std::make_shared<std::atomic<bool>>(false);
  options.lost = lost;
  const auto backend = vulkan_backend(options);
  if (!backend) GTEST_SKIP() << "no Vulkan device here";
  const auto a = to_buffer(*backend, {1, 2}), b = to_buffer(*backend, {3, 4});
  backend->add(*a, *b, 2);
  EXPECT_TRUE(backend->finish().ok());
  *lost = true;
  for (int i = 0; i < 2; ++i) {
    backend->add(*a, *b, 2);
    const auto done = backend->finish();
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(done.error().message.find("VK_ERROR_DEVICE_LOST"), std::string::npos);
  }
}

}  // namespace
}  // namespace weft::kernels

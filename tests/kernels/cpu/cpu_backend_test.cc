#include "kernels/cpu/cpu_backend.h"

#include <cmath>
#include <limits>
#include <thread>

#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

std::vector<std::unique_ptr<Backend>> all_backends() {
  std::vector<std::unique_ptr<Backend>> list;
  list.push_back(cpu_backend(1));
  for (const KernelTable* table : tables()) list.push_back(cpu_backend(2, *table));
  return list;
}

TEST(CpuBackend, SaysWhatItRunsOn) {
  EXPECT_EQ(cpu_backend(2, scalar_kernels())->detail(), "scalar, 2 threads");
  EXPECT_EQ(cpu_backend(1)->detail(), cat(usable_tables().front()->name, ", 1 thread"));
  EXPECT_EQ(cpu_backend(1)->name(), "cpu");
}

// Rows alone, in tiles of any size, in 64 at once, on one thread or three: the same bits.
TEST(CpuBackend, ProductsHaveTheSameBitsForAnyBatchAndAnyThreads) {
  Random random(test::test_seed(21));
  constexpr uint32_t kRows = 64;
  for (const KernelTable* table : tables()) {
    const auto one = cpu_backend(1, *table);
    const auto three = cpu_backend(3, *table);
    for (const model::TensorType type : kAllTypes) {
      const Tensor tensor = make_tensor(type, 203, 512, random);
      const auto weight = one->load(tensor.view(), WeightUse::kMatmul).value();
      const auto weight_three = three->load(tensor.view(), WeightUse::kMatmul).value();
      const std::vector<float> x = random_floats(size_t{kRows} * tensor.cols, random);
      const std::vector<float> whole = run_matmul(*one, *weight, x);
      EXPECT_EQ(run_matmul(*three, *weight_three, x), whole);
      for (const uint32_t step : {1u, 3u, 7u, 30u}) {
        std::vector<float> pieces;
        for (uint32_t row = 0; row < kRows; row += step) {
          const uint32_t count = std::min(step, kRows - row);
          const std::vector<float> part(x.begin() + row * tensor.cols,
                                        x.begin() + (row + count) * tensor.cols);
          const std::vector<float> out = run_matmul(*three, *weight_three, part);
          pieces.insert(pieces.end(), out.begin(), out.end());
        }
        EXPECT_EQ(pieces, whole) << table->name << ", " << model::tensor_type_info(type).name
                                 << " by " << step;
      }
    }
  }
}

TEST(CpuBackend, TellsItsCallerOnceDuringTheNextProduct) {
  Random random(test::test_seed(27));
  for (const uint32_t rows : {24u, 4096u}) {  // of one chunk, of many
    const auto one = cpu_backend(1);
    const Tensor tensor = make_tensor(model::TensorType::kF32, rows, 512, random);
    const auto weight = one->load(tensor.view(), WeightUse::kMatmul).value();
    const std::vector<float> x = random_floats(tensor.cols, random);
    const std::vector<float> plain = run_matmul(*one, *weight, x);
    uint32_t told = 0;
    const NearlyDone tell = [&] { ++told; };
    one->tell_in_next_product(tell);
    EXPECT_EQ(run_matmul(*one, *weight, x), plain);
    EXPECT_EQ(told, 1u);
    EXPECT_EQ(run_matmul(*one, *weight, x), plain);
    EXPECT_EQ(told, 1u);
  }
  // Of several threads it is the caller's alone to be told, if it takes one of the last chunks.
  const auto three = cpu_backend(3);
  const Tensor tensor = make_tensor(model::TensorType::kF32, 4096, 512, random);
  const auto weight = three->load(tensor.view(), WeightUse::kMatmul).value();
  const std::vector<float> x = random_floats(tensor.cols, random);
  uint32_t told = 0;
  const std::thread::id caller = std::this_thread::get_id();
  const NearlyDone tell = [&] {
    ++told;
    EXPECT_EQ(std::this_thread::get_id(), caller);
  };
  for (uint32_t i = 1; i <= 20; ++i) {
    three->tell_in_next_product(tell);
    run_matmul(*three, *weight, x);
    EXPECT_LE(told, i);
  }
}

TEST(CpuBackend, ProductsOfTheWiderTablesHaveTheBitsOfAvx2) {
  if (tables_like_avx2().empty()) GTEST_SKIP() << "no table beside AVX2's can be run here";
  Random random(test::test_seed(32));
  for (const model::TensorType type : kAllTypes) {
    for (const uint32_t cols : {256u, 2304u}) {
      const Tensor tensor = make_tensor(type, 43, cols, random);
      const std::vector<float> x = random_floats(size_t{7} * cols, random);
      const auto product = [&](const KernelTable& table) {
        const auto backend = cpu_backend(1, table);
        return run_matmul(*backend, *backend->load(tensor.view(), WeightUse::kMatmul).value(), x);
      };
      const std::vector<float> expected = product(*avx2_kernels());
      for (const KernelTable* table : tables_like_avx2()) {
        EXPECT_EQ(product(*table), expected)
            << table->name << ", " << model::tensor_type_info(type).name << ", " << cols;
      }
    }
  }
}

TEST(CpuBackend, ProductsOfAnyActivationsCorrelateWithDoubles) {
  Random random(test::test_seed(22));
  for (const auto& backend : all_backends()) {
    for (const model::TensorType type : kAllTypes) {
      const Tensor tensor = make_tensor(type, 256, 1024, random);
      const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
      const std::vector<float> x = random_floats(3 * 1024, random);
      const std::vector<double> expected = multiply(x, tensor);
      const std::vector<float> out = run_matmul(*backend, *weight, x);
      double xy = 0, xx = 0, yy = 0;
      for (size_t i = 0; i < out.size(); ++i) {
        xy += out[i] * expected[i];
        xx += double{out[i]} * out[i];
        yy += expected[i] * expected[i];
      }
      EXPECT_GT(xy / std::sqrt(xx * yy), 0.9998) << model::tensor_type_info(type).name;
    }
  }
}

TEST(CpuBackend, SeveralTargetsOfDifferentTypesShareOneX) {
  Random random(test::test_seed(23));
  const auto backend = cpu_backend(2);
  const std::vector<float> x = random_floats(5 * 256, random);
  const auto in = to_buffer(*backend, x);
  std::vector<std::unique_ptr<Weight>> weights;
  std::vector<std::unique_ptr<Buffer>> outs;
  std::vector<MatmulTarget> targets;
  for (const model::TensorType type : kAllTypes) {
    const uint32_t rows = 20 + 9 * uint32_t(targets.size());
    const Tensor tensor = make_tensor(type, rows, 256, random);
    weights.push_back(backend->load(tensor.view(), WeightUse::kMatmul).value());
    outs.push_back(backend->allocate(size_t{5} * rows).value());
    targets.push_back({weights.back().get(), outs.back().get()});
  }
  backend->matmul(targets, *in, 5);
  ASSERT_TRUE(backend->finish().ok());
  for (size_t i = 0; i < targets.size(); ++i) {
    EXPECT_EQ(from_buffer(*backend, *outs[i]), run_matmul(*backend, *weights[i], x));
  }
}

TEST(CpuBackend, ActivationsThatAreNoNumbersAreSeenInTheProduct) {
  Random random(test::test_seed(24));
  for (const auto& backend : all_backends()) {
    for (const model::TensorType type : kAllTypes) {
      const Tensor tensor = make_tensor(type, 8, 256, random);
      const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
      for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
        std::vector<float> x = random_floats(256, random);
        x[77] = bad;
        for (const float value : run_matmul(*backend, *weight, x)) {
          EXPECT_FALSE(std::isfinite(value)) << model::tensor_type_info(type).name;
        }
      }
    }
  }
}

TEST(CpuBackend, ZerosAndTinyActivationsGiveZerosNotNonsense) {
  Random random(test::test_seed(25));
  for (const auto& backend : all_backends()) {
    for (const model::TensorType type : kAllTypes) {
      const Tensor tensor = make_tensor(type, 8, 256, random);
      const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
      for (const float small : {0.0f, 1e-41f, 1e-38f}) {
        for (const float value : run_matmul(*backend, *weight, std::vector<float>(256, small))) {
          EXPECT_NEAR(value, 0, 1e-33);
        }
      }
    }
  }
}

TEST(CpuBackend, EmbedsTheRowsOfEveryTypeFromRowsAndFromPanels) {
  Random random(test::test_seed(26));
  std::vector<TokenId> tokens;
  for (int i = 0; i < 90; ++i) tokens.push_back(TokenId(random.below(77)));
  for (const auto& backend : all_backends()) {
    for (const model::TensorType type : kAllTypes) {
      const Tensor tensor = make_tensor(type, 77, 256, random);
      for (const WeightUse use : {WeightUse::kLookup, WeightUse::kBoth}) {
        const auto weight = backend->load(tensor.view(), use).value();
        const auto out = backend->allocate(tokens.size() * 256).value();
        backend->embed(*out, *weight, tokens, 1);
        const std::vector<float> got = from_buffer(*backend, *out);
        for (size_t i = 0; i < got.size(); ++i) {
          ASSERT_EQ(got[i], tensor.values[tokens[i / 256] * 256 + i % 256]);
        }
      }
    }
  }
}

TEST(CpuBackend, NormsEveryRowByItsOwnMeanSquare) {
  Random random(test::test_seed(27));
  for (const auto& backend : all_backends()) {
    for (const uint32_t dim : {1u, 31u, 256u, 2049u}) {
      const uint32_t rows = 11;
      const Tensor tensor = make_tensor(model::TensorType::kF32, 1, dim, random);
      const auto weight = backend->load(tensor.view(), WeightUse::kLookup).value();
      const std::vector<float> x = random_floats(size_t{rows} * dim, random);
      const auto buffer = to_buffer(*backend, x);
      backend->rms_norm(*buffer, *buffer, *weight, rows, 1e-5f);
      const std::vector<float> got = from_buffer(*backend, *buffer);
      for (size_t row = 0; row < rows; ++row) {
        double sum = 0;
        for (size_t d = 0; d < dim; ++d) sum += double{x[row * dim + d]} * x[row * dim + d];
        const double scale = 1 / std::sqrt(sum / dim + 1e-5);
        for (size_t d = 0; d < dim; ++d) {
          const double expected = x[row * dim + d] * scale * tensor.values[d];
          ASSERT_NEAR(got[row * dim + d], expected, 2e-6 * std::abs(expected) + 1e-12);
        }
      }
    }
  }
}

TEST(CpuBackend, RotatesPairsByTheirPosition) {
  Random random(test::test_seed(28));
  const uint32_t rows = 40, heads = 5, head_dim = 90;
  for (const auto& backend : all_backends()) {
    for (const bool interleaved : {true, false}) {
      const RopeTable table = make_rope_table(
          {.base = 10000, .dims = 86, .interleaved = interleaved, .scale = 1, .divisors = {}}, 64);
      std::vector<uint32_t> positions;
      for (uint32_t row = 0; row < rows; ++row) positions.push_back(uint32_t(random.below(64)));
      const std::vector<float> x = random_floats(size_t{rows} * heads * head_dim, random);
      const auto buffer = to_buffer(*backend, x);
      backend->rope(*buffer, rows, heads, head_dim, table, positions);
      const std::vector<float> got = from_buffer(*backend, *buffer);
      for (size_t i = 0; i < got.size(); ++i) {
        const size_t head = i / head_dim * head_dim;
        const uint32_t d = uint32_t(i - head), half = table.dims / 2;
        double expected = x[i];
        if (d < table.dims) {
          const uint32_t pair = interleaved ? d / 2 : d % half;
          const bool second = interleaved ? d % 2 == 1 : d >= half;
          const size_t other = head + (interleaved ? d ^ 1 : (d + half) % table.dims);
          const size_t at = positions[i / (size_t{heads} * head_dim)] * half + pair;
          expected = double{x[i]} * table.cosines[at] +
                     (second ? 1 : -1) * double{x[other]} * table.sines[at];
        }
        ASSERT_NEAR(got[i], expected, 1e-6);
      }
    }
  }
}

TEST(CpuBackend, GatesAddsAndGathersWhateverTheCount) {
  Random random(test::test_seed(29));
  for (const auto& backend : all_backends()) {
    for (const size_t count : {size_t{1}, size_t{7}, size_t{1001}, size_t{40003}}) {
      std::vector<float> gate = random_floats(count, random);
      const std::vector<float> up = random_floats(count, random);
      gate[0] = -300;  // e^300 is beyond a float
      if (count > 2) gate[1] = 300;
      const auto a = to_buffer(*backend, gate);
      const auto b = to_buffer(*backend, up);
      backend->glu(model::Activation::kSilu, *a, *a, *b, count);
      const std::vector<float> gated = from_buffer(*backend, *a);
      for (size_t i = 0; i < count; ++i) {
        const double expected = gate[i] / (1 + std::exp(-double{gate[i]})) * up[i];
        ASSERT_NEAR(gated[i], expected, 1e-6 * std::abs(expected) + 1e-30);
      }
      backend->add(*b, *a, count);
      const std::vector<float> sums = from_buffer(*backend, *b);
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(sums[i], up[i] + gated[i]);
    }
    const auto from = to_buffer(*backend, {0, 1, 2, 3, 4, 5});
    const auto to = backend->allocate(4).value();
    backend->gather_rows(*to, *from, 2, std::vector<uint32_t>{2, 0});
    EXPECT_EQ(from_buffer(*backend, *to), (std::vector<float>{4, 5, 0, 1}));
  }
}

// The same values at other places of a longer buffer, as a batch would put them.
TEST(CpuBackend, GatedValuesDoNotDependOnWhereTheyStand) {
  Random random(test::test_seed(30));
  const auto backend = cpu_backend(2);
  const std::vector<float> row = random_floats(13, random), up = random_floats(13, random);
  std::vector<float> rows, ups;
  for (int i = 0; i < 9; ++i) {
    rows.insert(rows.end(), row.begin(), row.end());
    ups.insert(ups.end(), up.begin(), up.end());
  }
  const auto a = to_buffer(*backend, rows);
  backend->glu(model::Activation::kSilu, *a, *a, *to_buffer(*backend, ups), rows.size());
  const std::vector<float> got = from_buffer(*backend, *a);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], got[i % 13]);
}

TEST(CpuBackend, RefusesTensorsThatDoNotFitTheirShape) {
  Random random(test::test_seed(31));
  const auto backend = cpu_backend(1);
  const Tensor tensor = make_tensor(model::TensorType::kQ4_K, 8, 512, random);
  TensorView view = tensor.view();
  view.rows = 9;
  EXPECT_EQ(backend->load(view, WeightUse::kMatmul).error().code, ErrorCode::kInvalid);
  view.rows = 16;
  view.cols = 255;
  EXPECT_EQ(backend->load(view, WeightUse::kBoth).error().code, ErrorCode::kInvalid);
  view.rows = 0;
  EXPECT_EQ(backend->load(view, WeightUse::kLookup).error().code, ErrorCode::kInvalid);
}

TEST(CpuBackend, MemoryThatIsNotThereIsAnError) {
  const auto backend = cpu_backend(1);
  EXPECT_EQ(backend->allocate(size_t{1} << 50).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(backend->allocate(SIZE_MAX).error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::kernels

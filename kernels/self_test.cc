#include "kernels/self_test.h"

#include <cmath>

#include "base/random.h"
#include "base/text.h"
#include "model/quantize.h"

namespace weft::kernels {
namespace {

using model::TensorType;

constexpr uint64_t kSeed = 20;
// Of the largest value: products with 8-bit activations differ most.
constexpr double kProductTolerance = 2e-2;
constexpr double kFloatTolerance = 1e-3;
constexpr uint32_t kRows = 5, kCols = 512, kOut = 40;
constexpr uint32_t kManyRows = 20;  // a GPU multiplies as many in another way

std::vector<float> some_floats(size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = float(2 * random.uniform() - 1);
  return values;
}

Result<std::unique_ptr<Buffer>> filled(Backend& backend, const std::vector<float>& values) {
  WEFT_TRY(auto buffer, backend.allocate(values.size()));
  backend.write(*buffer, values);
  return buffer;
}

Result<std::vector<float>> finished(Backend& backend, const Buffer& buffer) {
  WEFT_CHECK(backend.finish());
  std::vector<float> values(buffer.size());
  backend.read(values, buffer);
  return values;
}

// The same on the backend and on the reference.
class Comparison {
 public:
  explicit Comparison(Backend& backend) : backend_(backend), reference_(make_reference_backend()) {}

  template <typename Run>
  Result<> expect(std::string_view operation, double tolerance, const Run& run) {
    WEFT_TRY(const std::vector<float> got, run(backend_));
    WEFT_TRY(const std::vector<float> expected, run(*reference_));
    double largest = 0, off = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      largest = std::max(largest, std::abs(double{expected[i]}));
      const double difference = std::abs(double{got[i]} - expected[i]);
      off = std::isfinite(difference) ? std::max(off, difference) : INFINITY;
    }
    if (off <= tolerance * largest) return {};
    return Error(ErrorCode::kInternal, cat("the ", backend_.name(), " backend (",
                                           backend_.detail(), ") computes ", operation,
                                           " wrongly and is not used"));
  }

 private:
  Backend& backend_;
  std::unique_ptr<Backend> reference_;
};

Result<> check_products(Comparison& comparison, Random& random) {
  for (const TensorType type :
       {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0,
        TensorType::kQ4_0, TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K}) {
    const std::string name(model::tensor_type_info(type).name);
    const Bytes data = model::quantize(type, some_floats(size_t{kOut} * kCols, random));
    const TensorView tensor{type, kOut, kCols, data, {}};
    const std::vector<float> x = some_floats(size_t{kManyRows} * kCols, random);
    for (const uint32_t rows : {1u, kRows, kManyRows}) {
      WEFT_CHECK(comparison.expect(cat("products with ", name), kProductTolerance,
                                   [&](Backend& backend) -> Result<std::vector<float>> {
        WEFT_TRY(const auto weight, backend.load(tensor, WeightUse::kMatmul));
        WEFT_TRY(const auto in, filled(backend, {x.begin(), x.begin() + rows * kCols}));
        WEFT_TRY(const auto out, backend.allocate(size_t{rows} * kOut));
        const MatmulTarget target{weight.get(), out.get()};
        backend.matmul({&target, 1}, *in, rows);
        return finished(backend, *out);
      }));
    }
    WEFT_CHECK(comparison.expect(cat("rows of ", name), kFloatTolerance,
                                 [&](Backend& backend) -> Result<std::vector<float>> {
      WEFT_TRY(const auto table, backend.load(tensor, WeightUse::kLookup));
      WEFT_TRY(const auto out, backend.allocate(size_t{3} * kCols));
      backend.embed(*out, *table, std::vector<TokenId>{7, 39, 0}, 1.5f);
      return finished(backend, *out);
    }));
  }
  return {};
}

Result<> check_elementwise(Comparison& comparison, Random& random) {
  const Bytes factors = model::quantize(TensorType::kF32, some_floats(kCols, random));
  const std::vector<float> x = some_floats(size_t{kRows} * kCols, random);
  const std::vector<float> y = some_floats(size_t{kRows} * kCols, random);
  WEFT_CHECK(comparison.expect("norms, gates or sums", kFloatTolerance,
                               [&](Backend& backend) -> Result<std::vector<float>> {
    WEFT_TRY(const auto weight,
             backend.load({TensorType::kF32, 1, kCols, factors, {}}, WeightUse::kLookup));
    WEFT_TRY(const auto a, filled(backend, x));
    WEFT_TRY(const auto b, filled(backend, y));
    backend.rms_norm(*a, *a, *weight, kRows, 1e-5f);
    for (const auto activation : {model::Activation::kSilu, model::Activation::kGelu,
                                  model::Activation::kClampedSilu}) {
      backend.glu(activation, *a, *a, *b, x.size());
      backend.add(*b, *a, x.size());
    }
    backend.soft_cap(*b, 1.5f, x.size());
    backend.add_bias(*b, *weight, kRows);
    backend.gather_rows(*a, *b, kCols, std::vector<uint32_t>{4, 0, 2, 1, 3});
    return finished(backend, *a);
  }));
  return {};
}

Result<> check_attention(Comparison& comparison, Random& random) {
  constexpr uint32_t kHeads = 4, kKvHeads = 2, kHeadDim = 64, kTokens = 100;
  const std::vector<uint32_t> pages = {3, 0, 2, 1};
  RopeTable table;
  table.dims = kHeadDim;
  for (uint32_t i = 0; i < kTokens * kHeadDim / 2; ++i) {
    table.cosines.push_back(float(std::cos(0.1 * i)));
    table.sines.push_back(float(std::sin(0.1 * i)));
  }
  std::vector<KvRow> rows;
  std::vector<uint32_t> positions;
  for (uint32_t i = 0; i < kTokens; ++i) {
    rows.push_back({i, pages});
    positions.push_back(i);
  }
  const std::vector<float> q = some_floats(size_t{kTokens} * kHeads * kHeadDim, random);
  const std::vector<float> k = some_floats(size_t{kTokens} * kKvHeads * kHeadDim, random);
  const std::vector<float> v = some_floats(k.size(), random);
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    const double tolerance = type == KvType::kQ8_0 ? kProductTolerance : kFloatTolerance;
    WEFT_CHECK(comparison.expect(cat("attention over ", kv_type_name(type)), tolerance,
                                 [&](Backend& backend) -> Result<std::vector<float>> {
      WEFT_TRY(const auto kv, backend.allocate_kv({type, 1, kKvHeads, kHeadDim, 4}));
      WEFT_TRY(const auto queries, filled(backend, q));
      WEFT_TRY(const auto keys, filled(backend, k));
      WEFT_TRY(const auto values, filled(backend, v));
      WEFT_TRY(const auto out, backend.allocate(q.size()));
      backend.rope(*queries, kTokens, kHeads, kHeadDim, table, positions);
      backend.rope(*keys, kTokens, kKvHeads, kHeadDim, table, positions);
      backend.append_kv(*kv, 0, *keys, *values, rows);
      backend.attention(*out, *queries, *kv, 0, rows,
                        {kHeads, kKvHeads, kHeadDim, 1 / std::sqrt(float(kHeadDim))});
      return finished(backend, *out);
    }));
  }
  return {};
}

}  // namespace

Result<> self_test(Backend& backend) {
  Random random(kSeed);
  Comparison comparison(backend);
  WEFT_CHECK(check_products(comparison, random));
  WEFT_CHECK(check_elementwise(comparison, random));
  WEFT_CHECK(check_attention(comparison, random));
  return {};
}

}  // namespace weft::kernels

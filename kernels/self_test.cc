#include "kernels/self_test.h"

#include <cmath>

#include "base/random.h"
#include "base/text.h"
#include "model/quantize.h"

namespace weft::kernels {
namespace {

using model::TensorType;
using Buffers = std::vector<std::unique_ptr<Buffer>>;

constexpr uint64_t kSeed = 20;
constexpr double kTolerance = 1e-3;  // of the largest value
// Values near a boundary of the cache's codes may go to either side of it.
constexpr double kCodesTolerance = 2e-2;
constexpr uint32_t kRows = 5, kCols = 512, kOut = 40;
constexpr uint32_t kExperts = 5, kUsed = 2;  // of kOut / kExperts rows each
// Of x: a backend may have programs of their own for few rows, some and many.
constexpr uint32_t kRowCounts[] = {1, 2, 5, 16, 20, 40};
constexpr uint32_t kRowsMax = 40;
constexpr TensorType kTypes[] = {TensorType::kF32,    TensorType::kF16,   TensorType::kBF16,
                                 TensorType::kQ8_0,   TensorType::kQ4_0,  TensorType::kQ4_K,
                                 TensorType::kQ5_K,   TensorType::kQ6_K,  TensorType::kIQ4_NL,
                                 TensorType::kIQ4_XS, TensorType::kMXFP4, TensorType::kQ4_1,
                                 TensorType::kQ5_0,   TensorType::kQ5_1};

std::vector<float> some_floats(size_t count, Random& random, float size = 1) {
  std::vector<float> values(count);
  for (float& value : values) value = size * float(2 * random.uniform() - 1);
  return values;
}

// Rows of kCols that 8 bits hold, whether in blocks of 32 or of 256: whole numbers to 127, which
// every block has, times a factor. So products are those of the values themselves.
std::vector<float> some_activations(size_t rows, Random& random) {
  std::vector<float> values(rows * kCols);
  float factor = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % 256 == 0) factor = float(0.1 + random.uniform());
    const double code = i % 32 == 0 ? 127 : std::round(127 * (2 * random.uniform() - 1));
    values[i] = factor * float(code);
  }
  return values;
}

Result<std::unique_ptr<Buffer>> filled(Backend& backend, const std::vector<float>& values) {
  WEFT_TRY(auto buffer, backend.allocate(values.size()));
  backend.write(*buffer, values);
  return buffer;
}

// All has run, so what else the operations use may go.
Result<Buffers> finished(Backend& backend, Buffers buffers) {
  WEFT_CHECK(backend.finish());
  return buffers;
}

// The same on the backend and on the reference.
class Comparison {
 public:
  explicit Comparison(Backend& backend) : backend_(backend), reference_(make_reference_backend()) {}

  // `run` gives the buffers whose values are compared, finished.
  template <typename Run>
  Result<> expect(std::string_view operation, double tolerance, const Run& run) {
    WEFT_TRY(const std::vector<float> got, values_of(backend_, run));
    WEFT_TRY(const std::vector<float> expected, values_of(*reference_, run));
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
  template <typename Run>
  static Result<std::vector<float>> values_of(Backend& backend, const Run& run) {
    WEFT_TRY(const Buffers buffers, run(backend));
    std::vector<float> all;
    for (const auto& buffer : buffers) {
      std::vector<float> values(buffer->size());
      backend.read(values, *buffer);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  Backend& backend_;
  std::unique_ptr<Backend> reference_;
};

Result<> check_products(Comparison& comparison, Random& random) {
  for (const TensorType type : kTypes) {
    const std::string name(model::tensor_type_info(type).name);
    const Bytes data = model::quantize(type, some_floats(size_t{kOut} * kCols, random));
    const TensorView tensor{type, kOut, kCols, data, {}};
    const std::vector<float> x = some_activations(kRowsMax, random);
    WEFT_CHECK(comparison.expect(cat("products with ", name), kTolerance,
                                 [&](Backend& backend) -> Result<Buffers> {
      WEFT_TRY(const auto weight, backend.load(tensor, WeightUse::kMatmul));
      WEFT_TRY(const auto in, filled(backend, x));
      Buffers outs;
      for (const uint32_t rows : kRowCounts) {
        WEFT_TRY(auto out, backend.allocate(size_t{rows} * kOut));
        const MatmulTarget target{weight.get(), out.get()};
        backend.matmul({&target, 1}, *in, rows);
        outs.push_back(std::move(out));
      }
      return finished(backend, std::move(outs));
    }));
    WEFT_CHECK(comparison.expect(cat("rows of ", name), kTolerance,
                                 [&](Backend& backend) -> Result<Buffers> {
      WEFT_TRY(const auto table, backend.load(tensor, WeightUse::kLookup));
      Buffers outs(1);
      WEFT_TRY(outs[0], backend.allocate(size_t{3} * kCols));
      backend.embed(*outs[0], *table, std::vector<TokenId>{7, 39, 0}, 1.5f);
      return finished(backend, std::move(outs));
    }));
  }
  return {};
}

// Each row's choice, and what is added up by it.
Result<> check_choices(Comparison& comparison, const std::vector<float>& logits, Random& random) {
  const ExpertRows rows{kRows, kExperts, kUsed};
  const std::vector<float> parts = some_floats(size_t{kRows} * kUsed * kCols, random);
  const std::vector<float> sums = some_floats(size_t{kRows} * kCols, random);
  const Bytes biases =
      model::quantize(TensorType::kF32, some_floats(size_t{kExperts} * kCols, random));
  WEFT_CHECK(comparison.expect("the choice of experts", kTolerance,
                               [&](Backend& backend) -> Result<Buffers> {
    WEFT_TRY(const auto scores, filled(backend, logits));
    Buffers outs(1);
    WEFT_TRY(outs[0], backend.allocate(size_t{2} * kRows * kUsed));
    backend.choose_experts(*outs[0], *scores, rows);
    return finished(backend, std::move(outs));
  }));
  return comparison.expect("sums over experts", kTolerance,
                           [&](Backend& backend) -> Result<Buffers> {
    WEFT_TRY(const auto bias, backend.load({TensorType::kF32, kExperts, kCols, biases, {}},
                                           WeightUse::kLookup));
    WEFT_TRY(const auto scores, filled(backend, logits));
    WEFT_TRY(const auto choice, backend.allocate(size_t{2} * kRows * kUsed));
    Buffers outs(2);
    WEFT_TRY(outs[0], filled(backend, parts));
    WEFT_TRY(outs[1], filled(backend, sums));
    backend.choose_experts(*choice, *scores, rows);
    backend.add_expert_bias(*outs[0], *bias, *choice, rows);
    backend.add_experts(*outs[1], *outs[0], kCols, *choice, rows);
    return finished(backend, std::move(outs));
  });
}

// One by one, and so many that a backend may take those of an expert together.
Result<> check_experts_products(Comparison& comparison, uint32_t count,
                                const std::vector<float>& logits, Random& random) {
  const ExpertRows rows{count, kExperts, kUsed};
  for (const TensorType type : kTypes) {
    const Bytes data = model::quantize(type, some_floats(size_t{kOut} * kCols, random));
    const std::vector<float> x = some_activations(size_t{count} * kUsed, random);
    WEFT_CHECK(comparison.expect(
        cat("experts' products with ", model::tensor_type_info(type).name), kTolerance,
        [&](Backend& backend) -> Result<Buffers> {
          WEFT_TRY(const auto weight,
                   backend.load({type, kOut, kCols, data, {}}, WeightUse::kMatmul));
          WEFT_TRY(const auto in, filled(backend, x));
          WEFT_TRY(const auto scores, filled(backend, logits));
          WEFT_TRY(const auto choice, backend.allocate(size_t{2} * count * kUsed));
          backend.choose_experts(*choice, *scores, rows);
          Buffers outs(2);
          for (const bool spread : {false, true}) {
            WEFT_TRY(outs[spread], backend.allocate(size_t{count} * kUsed * kOut / kExperts));
            const MatmulTarget target{weight.get(), outs[spread].get()};
            backend.matmul_experts({&target, 1}, *in, spread, *choice, rows);
          }
          return finished(backend, std::move(outs));
        }));
  }
  return {};
}

Result<> check_experts(Comparison& comparison, Random& random) {
  std::vector<float> logits = some_floats(size_t{kRowsMax} * kExperts, random);
  logits[3] = logits[1] = 2;  // two that are equal
  WEFT_CHECK(check_choices(comparison, {logits.begin(), logits.begin() + kRows * kExperts},
                           random));
  for (const uint32_t count : {kRows, kRowsMax}) {
    WEFT_CHECK(check_experts_products(
        comparison, count, {logits.begin(), logits.begin() + count * kExperts}, random));
  }
  return {};
}

Result<> check_gates(Comparison& comparison, Random& random) {
  // Small and large ones: where they are clamped, and where an exponential is no number.
  std::vector<float> x = some_floats(size_t{kRows} * kCols, random, 12);
  x[0] = 3000;
  x[1] = x.back() = -3000;
  const std::vector<float> y = some_floats(x.size(), random, 12);
  for (const auto activation : {model::Activation::kSilu, model::Activation::kGelu,
                                model::Activation::kClampedSilu}) {
    WEFT_CHECK(comparison.expect("gates", kTolerance, [&](Backend& backend) -> Result<Buffers> {
      std::vector<float> gates = x;
      if (activation == model::Activation::kGelu) gates[0] = 30;  // its cube is a number
      WEFT_TRY(const auto up, filled(backend, y));
      Buffers outs(1);
      WEFT_TRY(outs[0], filled(backend, gates));
      backend.glu(activation, *outs[0], *outs[0], *up, x.size());
      return finished(backend, std::move(outs));
    }));
  }
  return comparison.expect("soft caps", kTolerance, [&](Backend& backend) -> Result<Buffers> {
    Buffers outs(1);
    WEFT_TRY(outs[0], filled(backend, x));
    backend.soft_cap(*outs[0], 10, x.size());
    return finished(backend, std::move(outs));
  });
}

Result<> check_sums(Comparison& comparison, Random& random) {
  const Bytes factors = model::quantize(TensorType::kF32, some_floats(kCols, random));
  const TensorView vector{TensorType::kF32, 1, kCols, factors, {}};
  const std::vector<float> x = some_floats(size_t{kRows} * kCols, random);
  const std::vector<float> y = some_floats(x.size(), random);
  WEFT_CHECK(comparison.expect("norms", kTolerance, [&](Backend& backend) -> Result<Buffers> {
    WEFT_TRY(const auto weight, backend.load(vector, WeightUse::kLookup));
    Buffers outs(1);
    WEFT_TRY(outs[0], filled(backend, x));
    backend.rms_norm(*outs[0], *outs[0], *weight, kRows, 1e-5f);
    return finished(backend, std::move(outs));
  }));
  return comparison.expect("sums or copies of rows", kTolerance,
                           [&](Backend& backend) -> Result<Buffers> {
    WEFT_TRY(const auto bias, backend.load(vector, WeightUse::kLookup));
    Buffers outs(3);
    WEFT_TRY(outs[0], filled(backend, x));
    WEFT_TRY(outs[1], filled(backend, y));
    WEFT_TRY(outs[2], backend.allocate(x.size()));
    backend.add(*outs[0], *outs[1], x.size());
    backend.add_bias(*outs[1], *bias, kRows);
    backend.gather_rows(*outs[2], *outs[1], kCols, std::vector<uint32_t>{4, 0, 2, 1, 3});
    return finished(backend, std::move(outs));
  });
}

Result<> check_best_logits(Comparison& comparison, Random& random) {
  constexpr uint32_t kVocabulary = 2500;  // more than one round of a GPU
  std::vector<float> logits(size_t{kRows} * kVocabulary);
  for (float& logit : logits) logit = float(random.below(1000)) / 8;  // some are equal
  for (const uint32_t count : {1u, 40u}) {
    WEFT_CHECK(comparison.expect("the best logits", 0, [&](Backend& backend) -> Result<Buffers> {
      WEFT_TRY(const auto from, filled(backend, logits));
      Buffers outs(1);
      WEFT_TRY(outs[0], backend.allocate(size_t{kRows} * 2 * count));
      backend.best_logits(*outs[0], *from, kRows, kVocabulary, count);
      return finished(backend, std::move(outs));
    }));
  }
  return {};
}

// In integers; only a device that rounds a product of floats in another way is off by a little.
Result<> check_total_weights(Comparison& comparison, Random& random) {
  constexpr uint32_t kVocabulary = 5000;
  std::vector<float> logits(size_t{kRows} * kVocabulary);
  for (float& logit : logits) logit = float(random.normal() * 4);
  const std::vector<float> scales = {1.4f, 0, 0.02f, 100, 2};
  return comparison.expect("the weights of tokens", 1e-5, [&](Backend& backend) -> Result<Buffers> {
    WEFT_TRY(const auto from, filled(backend, logits));
    WEFT_TRY(const auto best, backend.allocate(size_t{kRows} * 2));
    Buffers outs(1);
    WEFT_TRY(outs[0], backend.allocate(size_t{kRows} * 3));
    backend.best_logits(*best, *from, kRows, kVocabulary, 1);
    backend.total_weights(*outs[0], *from, *best, kRows, kVocabulary, 1, scales);
    return finished(backend, std::move(outs));
  });
}

Result<> check_rotations(Comparison& comparison, Random& random) {
  constexpr uint32_t kHeads = 3, kHeadDim = 64, kDims = 48;
  const std::vector<uint32_t> positions = {0, 63, 7, 8, 31};
  const std::vector<float> x = some_floats(positions.size() * kHeads * kHeadDim, random);
  for (const bool interleaved : {true, false}) {
    RopeTable table;
    table.dims = kDims;
    table.interleaved = interleaved;
    for (uint32_t i = 0; i < 64 * kDims / 2; ++i) {
      table.cosines.push_back(float(std::cos(0.1 * i)));
      table.sines.push_back(float(std::sin(0.1 * i)));
    }
    WEFT_CHECK(comparison.expect("rotations", kTolerance, [&](Backend& backend) -> Result<Buffers> {
      Buffers outs(1);
      WEFT_TRY(outs[0], filled(backend, x));
      backend.rope(*outs[0], uint32_t(positions.size()), kHeads, kHeadDim, table, positions);
      return finished(backend, std::move(outs));
    }));
  }
  return {};
}

struct AttentionCase {
  std::string_view name;
  uint32_t head_dim;
  uint32_t window;
  float soft_cap;
  bool sinks;
};
constexpr AttentionCase kAttentionCases[] = {{"attention", 64, 0, 0, false},
                                             {"attention in a window", 96, 40, 0, false},
                                             {"attention with a soft cap", 256, 0, 1, false},
                                             {"attention with sinks", 128, 0, 0, true}};

Result<> check_attention(Comparison& comparison, const AttentionCase& of, KvType type,
                         Random& random) {
  constexpr uint32_t kHeads = 4, kKvHeads = 2, kTokens = 100;
  const std::vector<uint32_t> pages = {3, 0, 2, 1};
  std::vector<KvRow> rows, asking;
  for (uint32_t i = 0; i < kTokens; ++i) rows.push_back({i, pages});
  for (const uint32_t i : {0u, 31u, 64u, 70u, 99u}) {  // of a window, only the pages that it sees
    const uint32_t first = rows[i].first_seen(of.window) / kPageTokens;
    asking.push_back({i, std::span(pages).subspan(first), first});
  }
  const std::vector<float> q = some_floats(asking.size() * kHeads * of.head_dim, random);
  const std::vector<float> k = some_floats(size_t{kTokens} * kKvHeads * of.head_dim, random);
  const std::vector<float> v = some_floats(k.size(), random);
  const Bytes sinks = model::quantize(TensorType::kF32, std::vector<float>{0, 1, 3, -40});
  const double tolerance = type == KvType::kQ8_0 ? kCodesTolerance : kTolerance;
  return comparison.expect(cat(of.name, " over ", kv_type_name(type)), tolerance,
                           [&](Backend& backend) -> Result<Buffers> {
    WEFT_TRY(const auto kv, backend.allocate_kv({type, 1, kKvHeads, of.head_dim, 4}));
    WEFT_TRY(const auto queries, filled(backend, q));
    WEFT_TRY(const auto keys, filled(backend, k));
    WEFT_TRY(const auto values, filled(backend, v));
    WEFT_TRY(const auto sink, backend.load({TensorType::kF32, 1, kHeads, sinks, {}},
                                           WeightUse::kLookup));
    Buffers outs(1);
    WEFT_TRY(outs[0], backend.allocate(q.size()));
    backend.append_kv(*kv, 0, *keys, *values, rows);
    backend.attention(*outs[0], *queries, *kv, 0, asking,
                      {kHeads, kKvHeads, of.head_dim, 0.3f, of.soft_cap, of.window,
                       of.sinks ? sink.get() : nullptr});
    return finished(backend, std::move(outs));
  });
}

}  // namespace

Result<> self_test(Backend& backend) {
  Random random(kSeed);
  Comparison comparison(backend);
  WEFT_CHECK(check_products(comparison, random));
  WEFT_CHECK(check_experts(comparison, random));
  WEFT_CHECK(check_gates(comparison, random));
  WEFT_CHECK(check_sums(comparison, random));
  WEFT_CHECK(check_best_logits(comparison, random));
  WEFT_CHECK(check_total_weights(comparison, random));
  WEFT_CHECK(check_rotations(comparison, random));
  for (const AttentionCase& of : kAttentionCases) {
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
      WEFT_CHECK(check_attention(comparison, of, type, random));
    }
  }
  return {};
}

}  // namespace weft::kernels

#include "kernels/cpu/kernel_table.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/kernels/cpu/cpu_test_support.h"

namespace weft::kernels {
namespace {

TEST(KernelTable, QuantizesToTheNearestCodeWithTheSumsOfTheCodes) {
  Random random(test::test_seed(61));
  const std::vector<float> x = random_floats(1024, random);
  for (const KernelTable* table : tables()) {
    std::vector<ActivationBlock256> large(4);
    table->quantize_256(x.data(), 1024, large.data());
    for (uint32_t b = 0; b < 4; ++b) {
      const ActivationBlock256& block = large[b];
      for (uint32_t i = 0; i < 256; ++i) {
        const float value = x[256 * b + i];
        ASSERT_LE(std::abs(value - block.scale * block.codes[i]), 0.5001f * block.scale);
        ASSERT_LE(std::abs(int{block.codes[i]}), 127);
      }
      for (uint32_t s = 0; s < 16; ++s) {
        EXPECT_EQ(block.sums16[s],
                  std::accumulate(block.codes + 16 * s, block.codes + 16 * s + 16, 0));
      }
      for (uint32_t s = 0; s < 8; ++s) {
        EXPECT_EQ(block.sums32[s], block.sums16[2 * s] + block.sums16[2 * s + 1]);
      }
    }
    std::vector<ActivationBlock32> small(32);
    table->quantize_32(x.data(), 1024, small.data());
    for (uint32_t b = 0; b < 32; ++b) {
      for (uint32_t i = 0; i < 32; ++i) {
        const float value = x[32 * b + i];
        ASSERT_LE(std::abs(value - small[b].scale * small[b].codes[i]), 0.5001f * small[b].scale);
      }
      EXPECT_EQ(small[b].sum, std::accumulate(small[b].codes, small[b].codes + 32, 0));
    }
  }
}

TEST(KernelTable, EveryTableQuantizesToTheSameCodes) {
  Random random(test::test_seed(62));
  const std::vector<float> x = random_floats(2048, random);
  std::vector<ActivationBlock256> first(8), other(8);
  scalar_kernels().quantize_256(x.data(), 2048, first.data());
  for (const KernelTable* table : tables()) {
    table->quantize_256(x.data(), 2048, other.data());
    for (uint32_t b = 0; b < 8; ++b) {
      EXPECT_EQ(first[b].scale, other[b].scale) << table->name;
      EXPECT_TRUE(std::equal(first[b].codes, first[b].codes + 256, other[b].codes)) << table->name;
    }
  }
}

TEST(KernelTable, GatesWithinHalfAMillionthWhateverTheSizeOfTheGate) {
  std::vector<float> gate, up, out;
  for (double x = -86; x < 86; x += 0.0137) gate.push_back(float(x));
  up.assign(gate.size(), 1.0f);
  out.resize(gate.size());
  for (const KernelTable* table : tables()) {
    table->glu_silu(out.data(), gate.data(), up.data(), gate.size());
    for (size_t i = 0; i < gate.size(); ++i) {
      const double expected = gate[i] / (1 + std::exp(-double{gate[i]}));
      ASSERT_NEAR(out[i], expected, 5e-7 * std::abs(expected)) << table->name << " at " << gate[i];
    }
  }
}

// FNV-1a over the bits of what a table computes.
class Digest {
 public:
  void take(const std::vector<float>& values) {
    for (const float value : values) {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      for (int i = 0; i < 4; ++i) sum_ = (sum_ ^ (bits >> (8 * i) & 255)) * 0x100000001b3u;
    }
  }
  uint64_t sum() const { return sum_; }

 private:
  uint64_t sum_ = 0xcbf29ce484222325u;
};

std::vector<float> uniform_floats(size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = float(4 * random.uniform() - 2);
  return values;
}

// Everything a token's way through a layer computes, on given numbers.
uint64_t digest_of(const KernelTable& table) {
  Random random(20260101);
  Digest digest;
  const auto backend = cpu_backend(1, table);
  for (const model::TensorType type : kAllTypes) {
    const Tensor tensor = make_tensor(type, 24, 512, random);
    const auto weight = backend->load(tensor.view(), WeightUse::kMatmul).value();
    digest.take(run_matmul(*backend, *weight, uniform_floats(3 * 512, random)));
  }
  std::vector<float> x = uniform_floats(333, random), y = uniform_floats(333, random);
  std::vector<float> out(333);
  table.rms_norm(out.data(), x.data(), y.data(), 333, 1e-5f);
  digest.take(out);
  table.glu_silu(out.data(), x.data(), y.data(), 333);
  digest.take(out);
  for (const bool interleaved : {false, true}) {
    table.rope(x.data(), y.data(), y.data() + 40, 78, interleaved);
    digest.take(x);
  }
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    const auto kv = backend->allocate_kv({type, 1, 2, 24, 2}).value();
    const std::vector<uint32_t> pages = {1, 0};
    std::vector<KvRow> rows;
    for (uint32_t p = 0; p < 45; ++p) rows.push_back({p, pages});
    const auto k = to_buffer(*backend, uniform_floats(45 * 48, random));
    const auto v = to_buffer(*backend, uniform_floats(45 * 48, random));
    backend->append_kv(*kv, 0, *k, *v, rows);
    const auto q = to_buffer(*backend, uniform_floats(45 * 96, random));
    const auto got = backend->allocate(45 * 96).value();
    backend->attention(*got, *q, *kv, 0, rows, {4, 2, 24, 0.2f});
    digest.take(from_buffer(*backend, *got));
  }
  return digest.sum();
}

constexpr uint64_t kVectorDigest = 10896083872109126691u;

// So a mesh of laptops and phones gives the bytes that one of them alone would give. The plain
// loops sum in another order.
TEST(KernelTable, VectorTablesGiveTheSameBitsOnEveryProcessor) {
  for (const KernelTable* table : tables()) {
    if (table == &scalar_kernels()) continue;
    EXPECT_EQ(digest_of(*table), kVectorDigest) << table->name;
  }
}

}  // namespace
}  // namespace weft::kernels

#include "kernels/cpu/kernel_table.h"

#include <algorithm>
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
    table->swiglu(out.data(), gate.data(), up.data(), gate.size());
    for (size_t i = 0; i < gate.size(); ++i) {
      const double expected = gate[i] / (1 + std::exp(-double{gate[i]}));
      ASSERT_NEAR(out[i], expected, 5e-7 * std::abs(expected)) << table->name << " at " << gate[i];
    }
  }
}

}  // namespace
}  // namespace weft::kernels

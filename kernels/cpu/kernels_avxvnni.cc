// The AVX-VNNI table: AVX2 with the dot products of VNNI, for the quantized products; the rest is
// AVX2's.
#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)

#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/matmul_table.h"
#include "kernels/cpu/vector_avx2.h"

namespace weft::kernels {
namespace {

// A dot adds four columns in 32 bits, where nothing can overflow.
struct AvxVnni : Avx2Vector {
  using SignedCodes = Vec;
  static constexpr int kDotColumns = 4;
  static constexpr int kSumMax = INT32_MAX;
  static constexpr int kSignedOffsetBits = 7;

  static inline Vec dot(Vec acc, Vec codes, Vec x) {
    return _mm256_dpbusd_avx_epi32(acc, codes, x);
  }
  static inline Vec scaled(Vec sums, Vec acc, Vec scale) {
    return _mm256_add_epi32(sums, _mm256_mullo_epi32(acc, scale));
  }
  static inline Vec total(Vec acc) { return acc; }

  static inline Vec scale(Vec words, int i) {
    return _mm256_and_si256(_mm256_srli_epi32(words, 8 * i), _mm256_set1_epi32(255));
  }
  static inline Vec signed_scale(Vec words, int i) {
    return _mm256_srai_epi32(_mm256_slli_epi32(words, 24 - 8 * i), 24);
  }
  static inline Vec add_pairs(Vec sums, Vec pairs_of_16, Vec x) {
    return _mm256_dpwssd_avx_epi32(sums, pairs_of_16, x);
  }

  // 128 more than the value is unsigned.
  static inline SignedCodes signed_codes(Vec codes) { return codes ^ bytes(-128); }
  static inline SignedCodes table_codes(Vec table, Vec nibbles) {
    return look_up(signed_codes(table), nibbles);
  }
  static inline Vec signed_dot(Vec acc, SignedCodes codes, Vec x) { return dot(acc, codes, x); }
};

}  // namespace

const KernelTable* avxvnni_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = *avx2_kernels();
    table.name = "avxvnni";
    set_dot_products<AvxVnni>(table);
    set_table_products<AvxVnni>(table);
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#else

namespace weft::kernels {

const KernelTable* avxvnni_kernels() {
  return nullptr;
}

}  // namespace weft::kernels

#endif  // defined(__x86_64__)

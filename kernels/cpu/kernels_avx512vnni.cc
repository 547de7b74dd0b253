// The AVX-512 table with VNNI: quantized products by its dot products; the rest is AVX-512's.
#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)

#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/matmul_table.h"
#include "kernels/cpu/vector_avx512.h"

namespace weft::kernels {
namespace {

// A dot adds four columns in 32 bits, where nothing can overflow.
struct Avx512Vnni : Avx512Vector {
  using SignedCodes = Vec;
  static constexpr int kDotColumns = 4;
  static constexpr int kSumMax = INT32_MAX;
  static constexpr int kSignedOffsetBits = 7;

  static inline Vec dot(Vec acc, Vec codes, Vec x) { return _mm512_dpbusd_epi32(acc, codes, x); }
  static inline Vec scaled(Vec sums, Vec acc, Vec scale) {
    return _mm512_add_epi32(sums, _mm512_mullo_epi32(acc, scale));
  }
  static inline Vec total(Vec acc) { return acc; }

  static inline Vec scale(Vec words, int i) {
    return _mm512_srli_epi32(words, unsigned(8 * i)) & _mm512_set1_epi32(255);
  }
  static inline Vec signed_scale(Vec words, int i) {
    return _mm512_srai_epi32(_mm512_slli_epi32(words, unsigned(24 - 8 * i)), 24);
  }
  static inline Vec add_pairs(Vec sums, Vec pairs_of_16, Vec x) {
    return _mm512_dpwssd_epi32(sums, pairs_of_16, x);
  }

  // 128 more than the value is unsigned.
  static inline SignedCodes signed_codes(Vec codes) { return codes ^ bytes(-128); }
  static inline SignedCodes table_codes(Vec table, Vec nibbles) {
    return look_up(signed_codes(table), nibbles);
  }
  static inline Vec signed_dot(Vec acc, SignedCodes codes, Vec x) { return dot(acc, codes, x); }
};

}  // namespace

const KernelTable* avx512vnni_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = *avx512_kernels();
    table.name = "avx512vnni";
    set_dot_products<Avx512Vnni>(table);
    set_table_products<Avx512Vnni>(table);
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#else

namespace weft::kernels {

const KernelTable* avx512vnni_kernels() {
  return nullptr;
}

}  // namespace weft::kernels

#endif  // defined(__x86_64__)

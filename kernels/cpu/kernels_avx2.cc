// The AVX2 table: float8's loops, and the products of quantized weights.
#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)

#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/matmul_table.h"
#include "kernels/cpu/vector_avx2.h"

namespace weft::kernels {
namespace {

// A dot adds pairs of columns in 16 bits, two sums to a lane. Scales stand in both halves of a
// lane.
struct Avx2 : Avx2Vector {
  struct SignedCodes {
    Vec sizes, codes;
  };
  static constexpr int kDotColumns = 2;
  static constexpr int kSumMax = INT16_MAX;
  static constexpr int kSignedOffsetBits = 0;

  static inline Vec dot(Vec acc, Vec codes, Vec x) {
    acc = _mm256_add_epi16(acc, _mm256_maddubs_epi16(codes, x));
    keep_order(acc);
    return acc;
  }
  static inline Vec scaled(Vec sums, Vec acc, Vec scale) { return add_pairs(sums, acc, scale); }
  static inline Vec total(Vec acc) { return _mm256_madd_epi16(acc, _mm256_set1_epi16(1)); }

  static inline Vec scale(Vec words, int i) {
    const __m128i twice =
        _mm_setr_epi8(0, -128, 0, -128, 4, -128, 4, -128, 8, -128, 8, -128, 12, -128, 12, -128);
    return shuffle_halves(words, _mm_add_epi8(twice, _mm_set1_epi16(short(i))));
  }
  static inline Vec signed_scale(Vec words, int i) {
    return _mm256_srai_epi16(_mm256_slli_epi16(scale(words, i), 8), 8);
  }
  static inline Vec add_pairs(Vec sums, Vec pairs_of_16, Vec x) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs_of_16, x));
  }

  // The weights' signs move to the activations, so that the first factor is unsigned. One product
  // of pairs is at most 2 * 128 * 127 = 32512 and a second would not fit, so each goes to 32 bits.
  static inline SignedCodes signed_codes(Vec codes) { return {_mm256_abs_epi8(codes), codes}; }
  static inline SignedCodes table_codes(Vec table, Vec nibbles) {
    return signed_codes(look_up(table, nibbles));
  }
  static inline Vec signed_scaled(Vec acc, const SignedCodes& codes, Vec x, Vec scale) {
    const Vec turned = _mm256_sign_epi8(x, codes.codes);
    acc = add_pairs(acc, _mm256_maddubs_epi16(codes.sizes, turned), scale);
    keep_order(acc);
    return acc;
  }
  static inline Vec signed_dot(Vec acc, const SignedCodes& codes, Vec x) {
    return signed_scaled(acc, codes, x, _mm256_set1_epi16(1));
  }
};

}  // namespace

const KernelTable* avx2_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = float8::float_loops();
    table.name = "avx2";
    set_dot_products<Avx2>(table);
    set_table_products<Avx2>(table);
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#else

namespace weft::kernels {

const KernelTable* avx2_kernels() {
  return nullptr;
}

}  // namespace weft::kernels

#endif  // defined(__x86_64__)

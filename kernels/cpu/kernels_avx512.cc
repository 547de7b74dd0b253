// The AVX-512 table (F, BW, VL, DQ): products and attention in 512 bits; the rest is AVX2's.
#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)

#include "kernels/cpu/attention_avx512.h"
#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/matmul_table.h"
#include "kernels/cpu/matmul_float_avx512.h"
#include "kernels/cpu/vector_avx512.h"

namespace weft::kernels {
namespace {

// A dot adds pairs of columns in 16 bits, two sums to a lane. Scales stand in both halves of a
// lane.
struct Avx512 : Avx512Vector {
  // The magnitudes, and which codes are negative.
  struct SignedCodes {
    Vec sizes;
    __mmask64 negative;
  };
  static constexpr int kDotColumns = 2;
  static constexpr int kSumMax = INT16_MAX;
  static constexpr int kSignedOffsetBits = 0;

  static inline Vec dot(Vec acc, Vec codes, Vec x) {
    acc = _mm512_add_epi16(acc, _mm512_maddubs_epi16(codes, x));
    keep_order(acc);
    return acc;
  }
  static inline Vec scaled(Vec sums, Vec acc, Vec scale) { return add_pairs(sums, acc, scale); }
  static inline Vec total(Vec acc) { return _mm512_madd_epi16(acc, _mm512_set1_epi16(1)); }

  static inline Vec scale(Vec words, int i) {
    const __m128i twice =
        _mm_setr_epi8(0, -128, 0, -128, 4, -128, 4, -128, 8, -128, 8, -128, 12, -128, 12, -128);
    return shuffle_quarters(words, _mm_add_epi8(twice, _mm_set1_epi16(short(i))));
  }
  static inline Vec signed_scale(Vec words, int i) {
    return _mm512_srai_epi16(_mm512_slli_epi16(scale(words, i), 8), 8);
  }
  static inline Vec add_pairs(Vec sums, Vec pairs_of_16, Vec x) {
    return _mm512_add_epi32(sums, _mm512_madd_epi16(pairs_of_16, x));
  }

  // The weights' signs move to the activations, so that the first factor is unsigned. One product
  // of pairs is at most 2 * 128 * 127 = 32512 and a second would not fit, so each goes to 32 bits.
  static inline SignedCodes signed_codes(Vec codes) {
    return {_mm512_abs_epi8(codes), _mm512_movepi8_mask(codes)};
  }
  static inline SignedCodes table_codes(Vec table, Vec nibbles) {
    return signed_codes(look_up(table, nibbles));
  }
  static inline Vec signed_scaled(Vec acc, const SignedCodes& codes, Vec x, Vec scale) {
    const Vec turned = _mm512_mask_sub_epi8(x, codes.negative, _mm512_setzero_si512(), x);
    return add_pairs(acc, _mm512_maddubs_epi16(codes.sizes, turned), scale);
  }
  static inline Vec signed_dot(Vec acc, const SignedCodes& codes, Vec x) {
    return signed_scaled(acc, codes, x, _mm512_set1_epi16(1));
  }
};

}  // namespace

const KernelTable* avx512_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = *avx2_kernels();
    table.name = "avx512";
    table.takes_twins = true;
    table.tile_rows = kTwinTileRows;
    set_dot_products<Avx512>(table);
    set_table_products<Avx512>(table);
    set_float_products(table);
    set_attention(table);
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#else

namespace weft::kernels {

const KernelTable* avx512_kernels() {
  return nullptr;
}

}  // namespace weft::kernels

#endif  // defined(__x86_64__)

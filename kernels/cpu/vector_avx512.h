// Avx512Vector: what both AVX-512 sets (with and without VNNI) give matmul_dot.h, which says what
// each name means.
//
// A lane is one row of a twin (panel.h), so nothing moves between lanes, and what a block costs
// besides its products is paid once for 16 rows.
#pragma once

#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels {
namespace {

// As of __m256i. SIMDe's vectors are no registers.
inline void keep_order(__m512i& sum) {
#if defined(WEFT_EMULATED_INTRINSICS)
  (void)sum;
#else
  asm("" : "+v"(sum));
#endif
}

// One pattern of 16 bytes for each quarter.
inline __m512i shuffle_quarters(__m512i v, __m128i pattern) {
  return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(pattern));
}

struct Avx512Vector {
  static constexpr uint32_t kPanels = 2;
  using Floats = __m512;
  using Vec = __m512i;

  static inline void store(float* to, Floats v) { _mm512_storeu_ps(to, v); }

  static inline Vec zero() { return _mm512_setzero_si512(); }
  static inline Vec bytes(int8_t value) { return _mm512_set1_epi8(value); }
  static inline Vec load(const uint8_t* block, int at) {
    return _mm512_loadu_si512(block + 2 * at);
  }
  static inline Vec columns(const void* from) {
    int32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return _mm512_set1_epi32(word);
  }

  static inline Vec shift_right(Vec v, int bits) { return _mm512_srli_epi16(v, unsigned(bits)); }
  static inline Vec align_bits(Vec v, int first) {
    return first <= 4 ? _mm512_slli_epi16(v, unsigned(4 - first))
                      : _mm512_srli_epi16(v, unsigned(first - 4));
  }

  // Bytes 2i and 2i + 1 of each word.
  static inline Vec pairs(Vec words, int i) {
    const __m128i pattern =
        _mm_setr_epi8(0, -128, 1, -128, 4, -128, 5, -128, 8, -128, 9, -128, 12, -128, 13, -128);
    return shuffle_quarters(words, _mm_add_epi8(pattern, _mm_set1_epi16(short(2 * i))));
  }
  static inline Vec signed_pairs(Vec words, int i) {
    return _mm512_srai_epi16(_mm512_slli_epi16(pairs(words, i), 8), 8);
  }

  static inline Vec table(const int8_t* entries) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
  }
  static inline Vec look_up(Vec table, Vec nibbles) { return _mm512_shuffle_epi8(table, nibbles); }
  static inline Vec doubled(const uint8_t* block, int at) {
    const __m256i low = load_doubled(block + 2 * at);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), load_doubled(block + 2 * at + 16), 1);
  }
  static inline Vec subtract_bytes(Vec a, Vec b) { return _mm512_sub_epi8(a, b); }

  static inline Vec add(Vec a, Vec b) { return _mm512_add_epi32(a, b); }
  static inline Vec subtract(Vec a, Vec b) { return _mm512_sub_epi32(a, b); }
  static inline Vec shift_left(Vec v, int bits) { return _mm512_slli_epi32(v, unsigned(bits)); }
  static inline Vec splat(int32_t n) { return _mm512_set1_epi32(n); }
  static inline Floats halves(const uint8_t* block, int at) {
    return _mm512_cvtph_ps(load_bytes(block + 2 * at));
  }
  static inline Floats half_powers(const uint8_t* block, int at) {
    const __m256 low = load_half_powers(block + 2 * at);
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), load_half_powers(block + 2 * at + 8), 1);
  }
  static inline Floats floats(Vec v) { return _mm512_cvtepi32_ps(v); }
  static inline Floats multiply(Floats f, float x) { return _mm512_mul_ps(f, _mm512_set1_ps(x)); }
  static inline Floats fused_add(Floats sum, Floats f, Floats g) {
    return _mm512_fmadd_ps(f, g, sum);
  }
  static inline Floats fused_subtract(Floats sum, Floats f, Floats g) {
    return _mm512_fnmadd_ps(f, g, sum);
  }
};

}  // namespace
}  // namespace weft::kernels

// Avx2Vector: what AVX2 with and without VNNI give matmul_dot.h. See there for what each name
// means. A lane is one row.
#pragma once

#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/matmul_blocks.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels {
namespace {

// One pattern of 16 bytes for both halves.
inline __m256i shuffle_halves(__m256i v, __m128i pattern) {
  return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(pattern));
}

struct Avx2Vector : OnePanel {
  using Vec = __m256i;

  static inline Vec zero() { return _mm256_setzero_si256(); }
  static inline Vec bytes(int8_t value) { return _mm256_set1_epi8(value); }
  static inline Vec load(const uint8_t* block, int at) { return load_bytes(block + at); }
  static inline Vec columns(const void* from) { return broadcast4(from); }

  static inline Vec shift_right(Vec v, int bits) { return _mm256_srli_epi16(v, bits); }
  static inline Vec align_bits(Vec v, int first) {
    return first <= 4 ? _mm256_slli_epi16(v, 4 - first) : _mm256_srli_epi16(v, first - 4);
  }

  // Bytes 2i and 2i + 1 of each word.
  static inline Vec pairs(Vec words, int i) {
    const __m128i pattern =
        _mm_setr_epi8(0, -128, 1, -128, 4, -128, 5, -128, 8, -128, 9, -128, 12, -128, 13, -128);
    return shuffle_halves(words, _mm_add_epi8(pattern, _mm_set1_epi16(short(2 * i))));
  }
  static inline Vec signed_pairs(Vec words, int i) {
    return _mm256_srai_epi16(_mm256_slli_epi16(pairs(words, i), 8), 8);
  }

  static inline Vec table(const int8_t* entries) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
  }
  static inline Vec look_up(Vec table, Vec nibbles) { return _mm256_shuffle_epi8(table, nibbles); }
  static inline Vec doubled(const uint8_t* block, int at) { return load_doubled(block + at); }
  static inline Vec subtract_bytes(Vec a, Vec b) { return _mm256_sub_epi8(a, b); }

  static inline Vec add(Vec a, Vec b) { return _mm256_add_epi32(a, b); }
  static inline Vec subtract(Vec a, Vec b) { return _mm256_sub_epi32(a, b); }
  static inline Vec shift_left(Vec v, int bits) { return _mm256_slli_epi32(v, bits); }
  static inline Vec splat(int32_t n) { return _mm256_set1_epi32(n); }
  static inline Floats halves(const uint8_t* block, int at) { return load_halves(block + at); }
  static inline Floats half_powers(const uint8_t* block, int at) {
    return load_half_powers(block + at);
  }
  static inline Floats floats(Vec v) { return _mm256_cvtepi32_ps(v); }
  static inline Floats multiply(Floats f, float x) { return _mm256_mul_ps(f, _mm256_set1_ps(x)); }
  static inline Floats fused_add(Floats sum, Floats f, Floats g) {
    return _mm256_fmadd_ps(f, g, sum);
  }
  static inline Floats fused_subtract(Floats sum, Floats f, Floats g) {
    return _mm256_fnmadd_ps(f, g, sum);
  }
};

}  // namespace
}  // namespace weft::kernels

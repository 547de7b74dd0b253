// What the AVX2 files share: vectors of 8 lanes, as a panel has rows. simd_neon.h has the names of
// Float8 and Codes for the other instruction set; simd_float8.h has what builds on them. Everything
// is local to the file that includes it: see kernel_table.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/intrinsics.h"

namespace weft::kernels {
namespace {

using Float8 = __m256;
using Codes = __m256i;  // 32 of int8

// How far ahead of its use a stream of weights is asked for: what a core reads within the memory's
// latency (39 GB/s, 150 ns on a Zen 5). Multiples of 4 KiB would lie in the sets of the first-level
// cache that are being read.
constexpr size_t kPrefetchBytes = 6144;

// Asks for the `bytes` that lie kPrefetchBytes ahead. Beyond the end of the weights it does
// nothing.
inline void prefetch_ahead(const uint8_t* at, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(at + kPrefetchBytes + i), _MM_HINT_T0);
  }
}

inline __m256i load_bytes(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// Keeps a running sum in its register, in program order. Left to itself the compiler turns long
// integer sums into trees, whose many live values do not fit the 16 registers and go by memory:
// twice the time.
inline void keep_order(__m256i& sum) {
  asm("" : "+x"(sum));
}

// The same four bytes for each of the 8 lanes.
inline __m256i broadcast4(const void* from) {
  int32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return _mm256_set1_epi32(word);
}

inline Float8 splat(float value) {
  return _mm256_set1_ps(value);
}
inline Float8 load8(const float* from) {
  return _mm256_loadu_ps(from);
}
inline Float8 load_halves(const void* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(from)));
}
inline Float8 load8(const uint16_t* halves) {
  return load_halves(halves);
}
// A BF16 is the upper half of a float.
inline Float8 load_bfloats(const void* from) {
  const __m128i halves = _mm_loadu_si128(static_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
// 16 bits of each lane, in both of its halves.
inline __m256i load_doubled(const uint8_t* from) {
  const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  const __m256i words = _mm256_cvtepu16_epi32(eight);
  return _mm256_or_si256(words, _mm256_slli_epi32(words, 16));
}
// Half of 8 scales of MXFP4, E8M0: the byte is a float's exponent, but for that of no number and
// for 0, which is 2^-127. Their halves exist too.
inline Float8 load_half_powers(const uint8_t* from) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  const __m256i words = _mm256_cvtepu8_epi32(eight);
  const __m256i next = _mm256_add_epi32(words, _mm256_set1_epi32(1));
  const __m256i neither = _mm256_and_si256(next, _mm256_set1_epi32(0xfe));
  const __m256i odd = _mm256_cmpeq_epi32(neither, _mm256_setzero_si256());
  const __m256i bits = _mm256_or_si256(_mm256_slli_epi32(words, 23),
                                       _mm256_and_si256(odd, _mm256_set1_epi32(1 << 22)));
  return _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0.5f));
}
inline Float8 load_codes8(const uint8_t* codes) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
}
inline void store8(float* to, Float8 v) {
  _mm256_storeu_ps(to, v);
}
inline float from_half(uint16_t half) {
  return _cvtsh_ss(half);
}
inline uint16_t to_half(float value) {
  return _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline Float8 add(Float8 a, Float8 b) {
  return _mm256_add_ps(a, b);
}
inline Float8 subtract(Float8 a, Float8 b) {
  return _mm256_sub_ps(a, b);
}
inline Float8 multiply(Float8 a, Float8 b) {
  return _mm256_mul_ps(a, b);
}
inline Float8 multiply(Float8 a, float b) {
  return _mm256_mul_ps(a, _mm256_set1_ps(b));
}
inline Float8 divide(Float8 a, Float8 b) {
  return _mm256_div_ps(a, b);
}
inline Float8 larger(Float8 a, Float8 b) {
  return _mm256_max_ps(a, b);
}
inline Float8 smaller(Float8 a, Float8 b) {
  return _mm256_min_ps(a, b);
}
inline Float8 magnitude(Float8 v) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}
inline Float8 nearest_integer(Float8 v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// sum + a * b and sum - a * b, rounded once.
inline Float8 fused_add(Float8 sum, Float8 a, Float8 b) {
  return _mm256_fmadd_ps(a, b, sum);
}
inline Float8 fused_add(Float8 sum, Float8 a, float b) {
  return _mm256_fmadd_ps(a, _mm256_set1_ps(b), sum);
}
inline Float8 fused_subtract(Float8 sum, Float8 a, float b) {
  return _mm256_fnmadd_ps(a, _mm256_set1_ps(b), sum);
}
// v * 2^n for integers n; no number of either may be too large or small for a float.
inline Float8 times_power_of_2(Float8 v, Float8 n) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(v), exponent));
}

// v where x >= least, else 0.
inline Float8 where_at_least(Float8 x, Float8 least, Float8 v) {
  return _mm256_and_ps(v, _mm256_cmp_ps(x, least, _CMP_GE_OQ));
}
// The first `count` lanes of v (none if negative), and `other` in the rest.
inline Float8 first_lanes(Float8 v, int32_t count, Float8 other) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i valid = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes);
  return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(valid));
}

// Lanes added in one fixed order.
inline float sum_lanes(Float8 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}
inline float max_lanes(Float8 v) {
  __m128 top = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  top = _mm_max_ps(top, _mm_movehl_ps(top, top));
  top = _mm_max_ss(top, _mm_movehdup_ps(top));
  return _mm_cvtss_f32(top);
}

// Lane i is combine() over the lanes of v[i], in the order of sum_lanes.
template <class Combine>
inline Float8 fold_rows(const Float8 (&v)[8], Combine combine) {
  __m256 fours[4];  // of v[i] and of v[i + 4]
  for (int i = 0; i < 4; ++i) {
    fours[i] = combine(_mm256_permute2f128_ps(v[i], v[i + 4], 0x20),
                       _mm256_permute2f128_ps(v[i], v[i + 4], 0x31));
  }
  const __m256 first =
      combine(_mm256_unpacklo_ps(fours[0], fours[1]), _mm256_unpackhi_ps(fours[0], fours[1]));
  const __m256 second =
      combine(_mm256_unpacklo_ps(fours[2], fours[3]), _mm256_unpackhi_ps(fours[2], fours[3]));
  return combine(_mm256_shuffle_ps(first, second, 0x44), _mm256_shuffle_ps(first, second, 0xee));
}

// Rotates four neighbouring pairs.
inline void rotate_pairs4(float* pairs, const float* cosines, const float* sines) {
  const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  const __m256 v = _mm256_loadu_ps(pairs);
  const __m256 c = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cosines)), twice);
  const __m256 s = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(sines)), twice);
  const __m256 crossed = _mm256_mul_ps(_mm256_permute_ps(v, 0xb1), s);
  _mm256_storeu_ps(pairs, _mm256_addsub_ps(_mm256_mul_ps(v, c), crossed));
}

// The nearest integers of 32 values times `scale`, which gives -127 to 127.
inline Codes to_codes(const float* x, float scale) {
  __m256i words[4];
  for (int i = 0; i < 4; ++i) {
    words[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(scale)));
  }
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(words[0], words[1]),
                                            _mm256_packs_epi32(words[2], words[3]));
  // Packing works within halves; this puts the words of four back in order.
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
inline void store_codes(int8_t* to, Codes codes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), codes);
}
// Sums of the first and of the last 16.
inline void sum_codes(Codes codes, int32_t* low, int32_t* high) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  const __m256i eights = _mm256_hadd_epi32(fours, fours);
  const __m256i sums = _mm256_hadd_epi32(eights, eights);
  *low = _mm256_extract_epi32(sums, 0);
  *high = _mm256_extract_epi32(sums, 4);
}

}  // namespace
}  // namespace weft::kernels

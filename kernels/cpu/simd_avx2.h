// What the AVX2 files share. Everything is static: see kernel_table.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/kernel_table.h"

namespace weft::kernels::avx2 {

// How far ahead of its use a stream of weights is asked for. The processor's own prefetcher stops
// at every 4 KiB page; this carries the stream across.
static constexpr size_t kPrefetchBytes = 2048;

// Asks for the `bytes` that lie kPrefetchBytes ahead. Beyond the end of the weights it does
// nothing.
static inline void prefetch_ahead(const uint8_t* at, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(at + kPrefetchBytes + i), _MM_HINT_T0);
  }
}

static inline __m256i load_bytes(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}

// Keeps a running sum in its register, in program order. Left to itself the compiler turns long
// integer sums into trees, whose many live values do not fit the 16 registers and go by memory:
// twice the time.
static inline void keep_order(__m256i& sum) {
  asm("" : "+x"(sum));
}

// The same four bytes for each of the 8 lanes.
static inline __m256i broadcast4(const void* from) {
  int32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return _mm256_set1_epi32(word);
}

static inline __m256 load_halves(const void* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(from)));
}

static inline __m256 load8(const float* from) {
  return _mm256_loadu_ps(from);
}
static inline __m256 load8(const uint16_t* halves) {
  return load_halves(halves);
}

// Lanes added in one fixed order.
static inline float sum_lanes(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
  return _mm_cvtss_f32(sum);
}

static inline float max_lanes(__m256 v) {
  __m128 top = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  top = _mm_max_ps(top, _mm_movehl_ps(top, top));
  top = _mm_max_ss(top, _mm_movehdup_ps(top));
  return _mm_cvtss_f32(top);
}

// e^x with a relative error below 3e-7 for -87 <= x <= 88; 0 below (minus infinity included), and
// no more than e^88 above. x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series to r^7
// (the rest is below 6e-9), 2^n by the exponent's bits.
static inline __m256 exp8(__m256 x) {
  const __m256 lowest = _mm256_set1_ps(-87.0f);
  const __m256 inside = _mm256_cmp_ps(x, lowest, _CMP_GE_OQ);
  const __m256 clamped = _mm256_min_ps(_mm256_max_ps(x, lowest), _mm256_set1_ps(88.0f));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(clamped, _mm256_set1_ps(1.44269504088896341f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln 2 in two parts: the first has few enough bits that n times it is exact.
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), clamped);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440054690583e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  const __m256 scaled = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
  return _mm256_and_ps(scaled, inside);
}

}  // namespace weft::kernels::avx2

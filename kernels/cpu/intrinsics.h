// The processor's vector instructions, or SIMDe's portable versions of them by the same names.
//
// The tests compile the AVX-512 and VNNI files a second time, for a processor with AVX2 and with
// WEFT_EMULATED_INTRINSICS, so that their arithmetic is checked where no such processor is at hand.
// What the compiler has for the target it is told of stays native there.
#pragma once

#if defined(WEFT_EMULATED_INTRINSICS)

// The intrinsics' own names, where the target has not the real ones.
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

// SIMDe 0.7.4 gives this one four arguments.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16

// And older ones have not these.
static inline __m512 weft_emulated_cvtph_ps(__m256i halves) {
  const __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
  const __m256 high = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps weft_emulated_cvtph_ps
static inline __m512 weft_emulated_cvtepi32_ps(__m512i words) {
  const __m256 low = _mm256_cvtepi32_ps(_mm512_castsi512_si256(words));
  const __m256 high = _mm256_cvtepi32_ps(_mm512_extracti64x4_epi64(words, 1));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps weft_emulated_cvtepi32_ps
static inline __m512i weft_emulated_cvtps_epi32(__m512 values) {
  const __m256i low = _mm256_cvtps_epi32(_mm512_castps512_ps256(values));
  const __m256i high = _mm256_cvtps_epi32(_mm256_castsi256_ps(
      _mm512_extracti64x4_epi64(_mm512_castps_si512(values), 1)));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 weft_emulated_cvtps_epi32
static inline __m512i weft_emulated_srai_epi32(__m512i words, unsigned bits) {
  const __m256i low = _mm256_srai_epi32(_mm512_castsi512_si256(words), int(bits));
  const __m256i high = _mm256_srai_epi32(_mm512_extracti64x4_epi64(words, 1), int(bits));
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
#undef _mm512_srai_epi32
#define _mm512_srai_epi32 weft_emulated_srai_epi32

// AVX-VNNI's names; SIMDe has the same operations by AVX512-VL's.
#define _mm256_dpbusd_avx_epi32 simde_mm256_dpbusd_epi32
#define _mm256_dpwssd_avx_epi32 simde_mm256_dpwssd_epi32

#else

// GCC 12's own headers make "undefined" vectors in a way that it then warns of.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#endif

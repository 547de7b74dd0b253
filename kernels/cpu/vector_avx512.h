// Avx512Vector: what both AVX-512 sets (with and without VNNI) give matmul_dot.h. See there for
// what each name means.
//
// A vector holds two neighbouring groups of a panel with the words of a row side by side: lane 2i
// is row i's word of the first group, lane 2i + 1 that of the second. Panels hold one group after
// the other, so weights are put in this order as they are loaded, once for all rows of x; the
// activations of both groups are then eight bytes repeated, which costs no shuffle.
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

inline __m512i load_64(const void* from) {
  return _mm512_loadu_si512(from);
}

// One pattern of 16 bytes for each quarter.
inline __m512i shuffle_quarters(__m512i v, __m128i pattern) {
  return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(pattern));
}

struct Avx512Vector {
  using Vec = __m512i;
  static constexpr int kGroups = 2;

  static inline Vec zero() { return _mm512_setzero_si512(); }
  static inline Vec bytes(int8_t value) { return _mm512_set1_epi8(value); }

  static inline Vec load(const uint8_t* groups) {
    const Vec side_by_side =
        _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    return _mm512_permutexvar_epi32(side_by_side, load_64(groups));
  }
  static inline Vec words(const uint8_t* eight) {
    const Vec twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_epi32(twice, _mm512_castsi256_si512(load_bytes(eight)));
  }
  static inline Vec columns(const void* from) {
    long long both;
    __builtin_memcpy(&both, from, sizeof both);
    return _mm512_set1_epi64(both);
  }

  static inline Vec shift_right(Vec v, int bits) { return _mm512_srli_epi16(v, unsigned(bits)); }
  static inline Vec align_bits(Vec v, int first, int step) {
    const Vec groups = _mm512_set1_epi64(static_cast<long long>(uint64_t(step) << 32));
    return _mm512_rorv_epi32(v, _mm512_add_epi32(groups, _mm512_set1_epi32(first - 4)));
  }

  static inline Vec pairs(Vec words, int /*first*/) {
    return shuffle_quarters(words, _mm_setr_epi8(0, -128, 1, -128, 6, -128, 7, -128, 8, -128, 9,
                                                 -128, 14, -128, 15, -128));
  }
  static inline Vec signed_pairs(Vec words, int /*first*/) {
    const Vec upper = shuffle_quarters(words, _mm_setr_epi8(-128, 0, -128, 1, -128, 6, -128, 7,
                                                            -128, 8, -128, 9, -128, 14, -128, 15));
    return _mm512_srai_epi16(upper, 8);
  }

  static inline __m256i fold(Vec sums) {
    return _mm512_cvtepi64_epi32(_mm512_add_epi32(sums, _mm512_srli_epi64(sums, 32)));
  }
};

}  // namespace
}  // namespace weft::kernels

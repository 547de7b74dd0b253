// The AVX-VNNI table: AVX2 with the dot products of VNNI, for the quantized products; the rest is
// AVX2's.
#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)

#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/matmul_dot.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels {
namespace {

// A lane is one row. A dot adds four columns in 32 bits, where nothing can overflow.
struct AvxVnni {
  using Vec = __m256i;
  using SignedCodes = Vec;
  static constexpr int kGroups = 1;
  static constexpr int kDotColumns = 4;
  static constexpr int kSumMax = INT32_MAX;
  static constexpr int kSignedOffsetBits = 7;

  static inline Vec zero() { return _mm256_setzero_si256(); }
  static inline Vec bytes(int8_t value) { return _mm256_set1_epi8(value); }
  static inline Vec load(const uint8_t* group) { return load_bytes(group); }
  static inline Vec words(const uint8_t* eight) { return load_bytes(eight); }
  static inline Vec columns(const void* from) { return broadcast4(from); }

  static inline Vec shift_right(Vec v, int bits) { return _mm256_srli_epi16(v, bits); }
  static inline Vec align_bits(Vec v, int first, int /*step*/) {
    return first <= 4 ? _mm256_slli_epi16(v, 4 - first) : _mm256_srli_epi16(v, first - 4);
  }

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

  // Bytes 2i and 2i + 1 of each word, i = first % 2.
  static inline Vec pairs(Vec words, int first) {
    const Vec pattern = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -128, 1, -128, 4, -128, 5, -128, 8, -128, 9, -128, 12, -128, 13, -128));
    return _mm256_shuffle_epi8(words,
                               _mm256_add_epi8(pattern, _mm256_set1_epi16(short(2 * (first % 2)))));
  }
  static inline Vec signed_pairs(Vec words, int first) {
    return _mm256_srai_epi16(_mm256_slli_epi16(pairs(words, first), 8), 8);
  }
  static inline Vec add_pairs(Vec sums, Vec pairs_of_16, Vec x) {
    return _mm256_dpwssd_avx_epi32(sums, pairs_of_16, x);
  }

  // 128 more than the value is unsigned.
  static inline SignedCodes signed_codes(Vec codes) { return codes ^ bytes(-128); }
  static inline Vec signed_dot(Vec acc, SignedCodes codes, Vec x) { return dot(acc, codes, x); }

  static inline __m256i fold(Vec sums) { return sums; }
};

}  // namespace

const KernelTable* avxvnni_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = *avx2_kernels();
    table.name = "avxvnni";
    set_dot_products<AvxVnni>(table);
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

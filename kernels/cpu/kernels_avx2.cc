// The AVX2 table, and its loops over single vectors. Elementwise loops do the last few elements in
// a padded vector, so that an element's bits do not depend on where it stands.
#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)

#include "kernels/cpu/avx2_kernels.h"
#include "kernels/cpu/scalar_kernels.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels {
namespace avx2 {
namespace {

inline __m256 magnitude(__m256 v) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

// Codes of 32 values.
inline __m256i quantize_32_codes(const float* x, __m256 inverse) {
  __m256i words[4];
  for (int i = 0; i < 4; ++i) {
    words[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), inverse));
  }
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(words[0], words[1]),
                                            _mm256_packs_epi32(words[2], words[3]));
  // Packing works within halves; this puts the words of four back in order.
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// 127 / largest, or 0 where that is no finite number: codes are then 0.
inline float inverse_scale(float largest) {
  const float inverse = 127.0f / largest;
  return inverse <= 3.0e38f ? inverse : 0.0f;
}

// The largest magnitude of `count` values (a multiple of 8). `poison` becomes NaN if any of them is
// no number or infinite, else stays 0: maxima alone would lose that.
inline float largest_magnitude(const float* x, int count, float* poison) {
  __m256 top = _mm256_setzero_ps();
  __m256 odd = _mm256_setzero_ps();
  for (int i = 0; i < count; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    top = _mm256_max_ps(top, magnitude(v));
    odd = _mm256_fmadd_ps(v, _mm256_setzero_ps(), odd);
  }
  *poison = sum_lanes(odd);
  return max_lanes(top);
}

// Sums of the codes of each 16.
inline void sum_codes(__m256i codes, int32_t* low, int32_t* high) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  const __m256i eights = _mm256_hadd_epi32(fours, fours);
  const __m256i sums = _mm256_hadd_epi32(eights, eights);
  *low = _mm256_extract_epi32(sums, 0);
  *high = _mm256_extract_epi32(sums, 4);
}

void quantize_32(const float* x, uint32_t cols, ActivationBlock32* out) {
  for (uint32_t b = 0; b < cols / 32; ++b, x += 32) {
    float poison;
    const float largest = largest_magnitude(x, 32, &poison);
    const __m256i codes = quantize_32_codes(x, _mm256_set1_ps(inverse_scale(largest)));
    int32_t low, high;
    sum_codes(codes, &low, &high);
    out[b].scale = largest / 127.0f + poison;
    out[b].sum = low + high;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[b].codes), codes);
  }
}

void quantize_256(const float* x, uint32_t cols, ActivationBlock256* out) {
  for (uint32_t b = 0; b < cols / 256; ++b, x += 256) {
    float poison;
    const float largest = largest_magnitude(x, 256, &poison);
    const __m256 inverse = _mm256_set1_ps(inverse_scale(largest));
    out[b].scale = largest / 127.0f + poison;
    for (int s = 0; s < 8; ++s) {
      const __m256i codes = quantize_32_codes(x + 32 * s, inverse);
      int32_t low, high;
      sum_codes(codes, &low, &high);
      out[b].sums16[2 * s] = int16_t(low);
      out[b].sums16[2 * s + 1] = int16_t(high);
      out[b].sums32[s] = int16_t(low + high);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out[b].codes + 32 * s), codes);
    }
  }
}

void rms_norm(float* out, const float* x, const float* weight, uint32_t dim, float epsilon) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                    _mm256_setzero_ps()};
  uint32_t d = 0;
  for (; d + 32 <= dim; d += 32) {
    for (int i = 0; i < 4; ++i) {
      const __m256 v = _mm256_loadu_ps(x + d + 8 * i);
      sums[i] = _mm256_fmadd_ps(v, v, sums[i]);
    }
  }
  float square_sum =
      sum_lanes(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
  for (; d < dim; ++d) square_sum += x[d] * x[d];
  const float scale = 1.0f / __builtin_sqrtf(square_sum / float(dim) + epsilon);
  const __m256 scales = _mm256_set1_ps(scale);
  for (d = 0; d + 8 <= dim; d += 8) {
    const __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + d), scales);
    _mm256_storeu_ps(out + d, _mm256_mul_ps(v, _mm256_loadu_ps(weight + d)));
  }
  for (; d < dim; ++d) out[d] = x[d] * scale * weight[d];
}

inline void rotate_pair(float& first, float& second, float cosine, float sine) {
  const float a = first;
  const float b = second;
  first = a * cosine - b * sine;
  second = b * cosine + a * sine;
}

void rope(float* head, const float* cosines, const float* sines, uint32_t dims, bool interleaved) {
  const uint32_t half = dims / 2;
  uint32_t i = 0;
  if (interleaved) {
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    for (; i + 4 <= half; i += 4) {
      const __m256 v = _mm256_loadu_ps(head + 2 * i);
      const __m256 c =
          _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cosines + i)), twice);
      const __m256 s =
          _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(sines + i)), twice);
      const __m256 crossed = _mm256_mul_ps(_mm256_permute_ps(v, 0xb1), s);
      _mm256_storeu_ps(head + 2 * i, _mm256_addsub_ps(_mm256_mul_ps(v, c), crossed));
    }
    for (; i < half; ++i) rotate_pair(head[2 * i], head[2 * i + 1], cosines[i], sines[i]);
    return;
  }
  for (; i + 8 <= half; i += 8) {
    const __m256 a = _mm256_loadu_ps(head + i);
    const __m256 b = _mm256_loadu_ps(head + half + i);
    const __m256 c = _mm256_loadu_ps(cosines + i);
    const __m256 s = _mm256_loadu_ps(sines + i);
    _mm256_storeu_ps(head + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
    _mm256_storeu_ps(head + half + i, _mm256_add_ps(_mm256_mul_ps(b, c), _mm256_mul_ps(a, s)));
  }
  for (; i < half; ++i) rotate_pair(head[i], head[half + i], cosines[i], sines[i]);
}

inline __m256 swiglu8(__m256 gate, __m256 up) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 decay = exp8(_mm256_sub_ps(_mm256_setzero_ps(), gate));
  return _mm256_mul_ps(_mm256_div_ps(gate, _mm256_add_ps(one, decay)), up);
}

void swiglu(float* out, const float* gate, const float* up, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(out + i, swiglu8(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
  }
  if (i == count) return;
  alignas(32) float padded_gate[8] = {};
  alignas(32) float padded_up[8] = {};
  alignas(32) float result[8];
  for (size_t j = i; j < count; ++j) {
    padded_gate[j - i] = gate[j];
    padded_up[j - i] = up[j];
  }
  _mm256_store_ps(result, swiglu8(_mm256_load_ps(padded_gate), _mm256_load_ps(padded_up)));
  for (size_t j = i; j < count; ++j) out[j] = result[j - i];
}

void add(float* x, const float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] += y[i];
}

}  // namespace
}  // namespace avx2

const KernelTable* avx2_kernels() {
  static constexpr KernelTable kTable = {
      .name = "avx2",
      .matmul_f32 = avx2::matmul_f32,
      .matmul_f16 = avx2::matmul_f16,
      .matmul_bf16 = avx2::matmul_bf16,
      .matmul_q8_0 = avx2::matmul_q8_0,
      .matmul_q4_0 = avx2::matmul_q4_0,
      .matmul_q4_k = avx2::matmul_q4_k,
      .matmul_q5_k = avx2::matmul_q5_k,
      .matmul_q6_k = avx2::matmul_q6_k,
      .quantize_32 = avx2::quantize_32,
      .quantize_256 = avx2::quantize_256,
      .rms_norm = avx2::rms_norm,
      .rope = avx2::rope,
      .swiglu = avx2::swiglu,
      .add = avx2::add,
      .append_f32 = avx2::append_f32,
      .append_f16 = avx2::append_f16,
      .append_q8_0 = scalar::append_q8_0,
      .expand_q8_0 = avx2::expand_q8_0,
      .attend_f32 = avx2::attend_f32,
      .attend_f16 = avx2::attend_f16,
  };
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

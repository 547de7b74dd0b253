// Attention over the KV cache's pages, AVX-512: the sums of attention_float8.cc in vectors twice as
// wide. Scores: a lane is one position. Weighted values: a lane is one element. Every sum has the
// order of the narrow loops.
#pragma once

#include "kernels/cpu/attention_pages.h"
#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/intrinsics.h"

namespace weft::kernels {
namespace {

inline __m512 load_16(const float* from) {
  return _mm512_loadu_ps(from);
}
inline __m512 load_16(const uint16_t* halves) {
  return _mm512_cvtph_ps(load_bytes(halves));
}

inline __m256 upper_8(__m512 v) {
  return _mm256_castsi256_ps(_mm512_extracti64x4_epi64(_mm512_castps_si512(v), 1));
}

// e^x as exp8 gives it.
inline __m512 exp_16(__m512 x) {
  const __m512 lowest = _mm512_set1_ps(-87.0f);
  const __m512 clamped = _mm512_min_ps(_mm512_max_ps(x, lowest), _mm512_set1_ps(88.0f));
  const __m512 n = _mm512_roundscale_ps(
      _mm512_mul_ps(clamped, _mm512_set1_ps(1.44269504088896341f)), _MM_FROUND_TO_NEAREST_INT);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), clamped);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440054690583e-4f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);
  constexpr float kTerms[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  for (const float term : kTerms) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(term));
  const __m512i exponent = _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23);
  const __m512i power = _mm512_add_epi32(_mm512_castps_si512(p), exponent);
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, lowest, _CMP_GE_OQ), _mm512_castsi512_ps(power));
}

// The sums of 16 V elements from d on. A function of its own, as score() is: beside the weights'
// constants the compiler runs out of registers.
template <typename Element, int Q, int V>
[[gnu::noinline]] void add_wide(Stream<Element> values, uint32_t stride, uint32_t count, uint32_t d,
                                const float (*weights)[kPage], const float* shrink, float* sums) {
  constexpr int kVectorsOfLine = 4 / int(sizeof(Element));
  __m512 part[Q][V];
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < V; ++v) {
      part[i][v] =
          _mm512_mul_ps(_mm512_load_ps(sums + i * stride + d + 16 * v), _mm512_set1_ps(shrink[i]));
    }
  }
  for (uint32_t t = 0; t < count; ++t) {
    __m512 value[V];
    for (int v = 0; v < V; ++v) value[v] = load_16(values.at + t * stride + d + 16 * v);
    for (int v = 0; v < V; v += kVectorsOfLine) values.prefetch(t * stride + d + 16 * v);
    for (int i = 0; i < Q; ++i) {
      const __m512 weight = _mm512_set1_ps(weights[i][t]);
      for (int v = 0; v < V; ++v) part[i][v] = _mm512_fmadd_ps(value[v], weight, part[i][v]);
    }
  }
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < V; ++v) _mm512_store_ps(sums + i * stride + d + 16 * v, part[i][v]);
  }
}

struct WidePages {
  template <int Q, typename Element>
  [[gnu::noinline]] static void score(Stream<Element> keys, const float* q, uint32_t q_stride,
                                      uint32_t head_dim, float (*scores)[kPage]) {
    __m512 sums[Q][2];
    for (int i = 0; i < Q; ++i) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
    for (uint32_t d = 0; d < head_dim; ++d) {
      const __m512 first = load_16(keys.at + d * kPage);
      const __m512 second = load_16(keys.at + d * kPage + 16);
      keys.prefetch(d * kPage);
      for (int i = 0; i < Q; ++i) {
        const __m512 element = _mm512_set1_ps(q[d * q_stride + i]);
        sums[i][0] = _mm512_fmadd_ps(first, element, sums[i][0]);
        sums[i][1] = _mm512_fmadd_ps(second, element, sums[i][1]);
      }
    }
    for (int i = 0; i < Q; ++i) {
      _mm512_store_ps(scores[i], sums[i][0]);
      _mm512_store_ps(scores[i] + 16, sums[i][1]);
    }
  }

  // A whole page without a cap; others are few.
  static inline Float8 scale(float* scores, uint32_t skip, uint32_t count,
                             const AttentionTask& task) {
    if (skip > 0 || count < kPage || task.soft_cap > 0) {
      return scale_scores(scores, skip, count, task);
    }
    const __m512 first = _mm512_mul_ps(_mm512_load_ps(scores), _mm512_set1_ps(task.scale));
    const __m512 second = _mm512_mul_ps(_mm512_load_ps(scores + 16), _mm512_set1_ps(task.scale));
    _mm512_store_ps(scores, first);
    _mm512_store_ps(scores + 16, second);
    const __m512 top = _mm512_max_ps(first, second);
    return larger(_mm512_castps512_ps256(top), upper_8(top));
  }

  static inline Float8 weigh(float* scores, float maximum) {
    Float8 sum = splat(0);
    for (int i = 0; i < 32; i += 16) {
      const __m512 weights =
          exp_16(_mm512_sub_ps(_mm512_load_ps(scores + i), _mm512_set1_ps(maximum)));
      _mm512_store_ps(scores + i, weights);
      sum = add(sum, _mm512_castps512_ps256(weights));
      sum = add(sum, upper_8(weights));
    }
    return sum;
  }

  template <int Q, typename Element>
  static inline void add_values(Stream<Element> values, uint32_t stride, uint32_t count,
                                const float (*weights)[kPage], const float* shrink, float* sums) {
    constexpr int kVectors = Q > 4 ? 2 : 4;
    uint32_t d = 0;
    for (; d + 16 * kVectors <= stride; d += 16 * kVectors) {
      add_wide<Element, Q, kVectors>(values, stride, count, d, weights, shrink, sums);
    }
    for (; d < stride; d += 16) {
      add_wide<Element, Q, 1>(values, stride, count, d, weights, shrink, sums);
    }
  }
};

// Rows of values that are no multiple of 16 (few models have such heads) are left to AVX2.
template <typename Element, void (*kNarrow)(const AttentionTask&)>
void wide_attend(const AttentionTask& task) {
  if (task.value_stride % 16 != 0) return kNarrow(task);
  attend<WidePages, Element>(task);
}

inline void set_attention(KernelTable& table) {
  table.attend_f32 = wide_attend<float, float8::attend_f32>;
  table.attend_f16 = wide_attend<uint16_t, float8::attend_f16>;
}

}  // namespace
}  // namespace weft::kernels

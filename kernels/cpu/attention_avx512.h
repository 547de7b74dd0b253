// Attention over the KV cache's pages, AVX-512: the sums of attention_float8.cc in vectors twice as
// wide. Scores: a lane is one position. Weighted values: a lane is one element. Weights, of which a
// page has 32 a head, stay in 256 bits. Every sum has the order of the narrow loops.
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

// The sums of 16 V elements from d on.
template <typename Element, int H, int V>
inline void add_wide(const Element* values, uint32_t stride, uint32_t count, uint32_t d,
                     const float (*weights)[kPage], const float* shrink,
                     float (*sums)[kHeadDimMax]) {
  __m512 part[H][V];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) {
      part[h][v] = _mm512_mul_ps(_mm512_load_ps(sums[h] + d + 16 * v), _mm512_set1_ps(shrink[h]));
    }
  }
  for (uint32_t t = 0; t < count; ++t) {
    __m512 value[V];
    for (int v = 0; v < V; ++v) value[v] = load_16(values + t * stride + d + 16 * v);
    for (int h = 0; h < H; ++h) {
      const __m512 weight = _mm512_set1_ps(weights[h][t]);
      for (int v = 0; v < V; ++v) part[h][v] = _mm512_fmadd_ps(value[v], weight, part[h][v]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) _mm512_store_ps(sums[h] + d + 16 * v, part[h][v]);
  }
}

struct WidePages {
  template <int H, typename Element>
  static inline void score(const Element* keys, const float* q, uint32_t head_dim,
                           float (*scores)[kPage]) {
    __m512 sums[H][2];
    for (int h = 0; h < H; ++h) sums[h][0] = sums[h][1] = _mm512_setzero_ps();
    for (uint32_t d = 0; d < head_dim; ++d) {
      const __m512 first = load_16(keys + d * kPage);
      const __m512 second = load_16(keys + d * kPage + 16);
      for (int h = 0; h < H; ++h) {
        const __m512 element = _mm512_set1_ps(q[h * head_dim + d]);
        sums[h][0] = _mm512_fmadd_ps(first, element, sums[h][0]);
        sums[h][1] = _mm512_fmadd_ps(second, element, sums[h][1]);
      }
    }
    for (int h = 0; h < H; ++h) {
      _mm512_store_ps(scores[h], sums[h][0]);
      _mm512_store_ps(scores[h] + 16, sums[h][1]);
    }
  }

  template <int H, typename Element>
  static inline void add_values(const Element* values, uint32_t stride, uint32_t count,
                                const float (*weights)[kPage], const float* shrink,
                                float (*sums)[kHeadDimMax]) {
    uint32_t d = 0;
    for (; d + 64 <= stride; d += 64) {
      add_wide<Element, H, 4>(values, stride, count, d, weights, shrink, sums);
    }
    for (; d < stride; d += 16) {
      add_wide<Element, H, 1>(values, stride, count, d, weights, shrink, sums);
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

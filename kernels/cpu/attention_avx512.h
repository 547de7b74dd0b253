// Attention over the KV cache's pages, AVX-512: attention_avx2.cc's sums in vectors twice as wide.
// Scores: a lane is one position. Weighted values: a lane is one element. Weights, of which a page
// has 32 a head, stay in 256 bits. Every sum has the order of the AVX2 loops, so a row's bits
// depend only on its own query and positions.
#pragma once

#include "kernels/cpu/avx2_kernels.h"
#include "kernels/cpu/intrinsics.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels {
namespace {

constexpr uint32_t kWidePage = 32;  // positions of a page: kPageTokens
constexpr float kNoScore = -__builtin_inff();

inline __m512 load_16(const float* from) {
  return _mm512_loadu_ps(from);
}
inline __m512 load_16(const uint16_t* halves) {
  return _mm512_cvtph_ps(avx2::load_bytes(halves));
}

// scores[h][t] = q[h] . key[t] for H heads and all positions of a page. Positions that nobody has
// written yet give any number; they are masked later.
template <typename Element, int H>
inline void wide_scores(const Element* keys, const float* q, uint32_t head_dim,
                        float (*scores)[kWidePage]) {
  __m512 sums[H][2];
  for (int h = 0; h < H; ++h) sums[h][0] = sums[h][1] = _mm512_setzero_ps();
  for (uint32_t d = 0; d < head_dim; ++d) {
    const __m512 first = load_16(keys + d * kWidePage);
    const __m512 second = load_16(keys + d * kWidePage + 16);
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

// Turns the scores of `count` positions into weights e^(score - maximum), the others' into 0.
// Returns the factor for what was summed before.
inline float wide_weights(float* scores, uint32_t count, float scale, float& maximum,
                          float& total) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256 nothing = _mm256_set1_ps(kNoScore);
  __m256 scaled[4];
  __m256 top = nothing;
  for (int i = 0; i < 4; ++i) {
    const __m256i left = _mm256_set1_epi32(int(count) - 8 * i);
    const __m256 value = _mm256_mul_ps(_mm256_load_ps(scores + 8 * i), _mm256_set1_ps(scale));
    scaled[i] =
        _mm256_blendv_ps(nothing, value, _mm256_castsi256_ps(_mm256_cmpgt_epi32(left, lanes)));
    top = _mm256_max_ps(top, scaled[i]);
  }
  const float page_top = avx2::max_lanes(top);
  const float grown = page_top > maximum ? page_top : maximum;
  const float shrink = _mm256_cvtss_f32(avx2::exp8(_mm256_set1_ps(maximum - grown)));
  maximum = grown;
  __m256 sum = _mm256_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    const __m256 weight = avx2::exp8(_mm256_sub_ps(scaled[i], _mm256_set1_ps(grown)));
    _mm256_store_ps(scores + 8 * i, weight);
    sum = _mm256_add_ps(sum, weight);
  }
  total = total * shrink + avx2::sum_lanes(sum);
  return shrink;
}

// sums[h][d] = sums[h][d] * shrink[h] + sum over t of weights[h][t] * value[t][d], for 16 V
// elements from d on.
template <typename Element, int H, int V>
inline void wide_values(const Element* values, uint32_t stride, uint32_t count, uint32_t d,
                        const float (*weights)[kWidePage], const float* shrink,
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

template <typename Element, int H>
void wide_heads(const AttentionTask& task) {
  alignas(64) float sums[H][kHeadDimMax];
  alignas(64) float scores[H][kWidePage];
  float maximum[H], total[H], shrink[H];
  for (int h = 0; h < H; ++h) {
    maximum[h] = kNoScore;
    total[h] = 0;
    for (uint32_t d = 0; d < task.value_stride; ++d) sums[h][d] = 0;
  }
  for (uint32_t begin = 0; begin < task.length; begin += kWidePage) {
    const auto* keys = reinterpret_cast<const Element*>(attention_page(task, begin / kWidePage));
    const Element* values = keys + task.head_dim * kWidePage;
    const uint32_t count = task.length - begin < kWidePage ? task.length - begin : kWidePage;
    wide_scores<Element, H>(keys, task.q, task.head_dim, scores);
    for (int h = 0; h < H; ++h) {
      shrink[h] = wide_weights(scores[h], count, task.scale, maximum[h], total[h]);
    }
    uint32_t d = 0;
    for (; d + 64 <= task.value_stride; d += 64) {
      wide_values<Element, H, 4>(values, task.value_stride, count, d, scores, shrink, sums);
    }
    for (; d < task.value_stride; d += 16) {
      wide_values<Element, H, 1>(values, task.value_stride, count, d, scores, shrink, sums);
    }
  }
  for (int h = 0; h < H; ++h) {
    float* out = task.out + h * task.head_dim;
    for (uint32_t d = 0; d < task.head_dim; ++d) out[d] = sums[h][d] / total[h];
  }
}

// Rows of values that are no multiple of 16 (few models have such heads) are left to AVX2.
template <typename Element, void (*kNarrow)(const AttentionTask&)>
void wide_attend(const AttentionTask& task) {
  static constexpr void (*kHeads[])(const AttentionTask&) = {
      wide_heads<Element, 1>, wide_heads<Element, 2>, wide_heads<Element, 3>,
      wide_heads<Element, 4>};
  static_assert(sizeof kHeads / sizeof kHeads[0] == kSharedHeadsMax);
  if (task.value_stride % 16 != 0) return kNarrow(task);
  kHeads[task.heads - 1](task);
}

inline void set_attention(KernelTable& table) {
  table.attend_f32 = wide_attend<float, avx2::attend_f32>;
  table.attend_f16 = wide_attend<uint16_t, avx2::attend_f16>;
}

}  // namespace
}  // namespace weft::kernels

// The KV cache's pages written and read, eight lanes at a time. Scores of a page: a lane is one
// position, so the sum over the head's elements has one order. The weighted sum of values: a lane
// is one element, positions in order.
#if defined(__x86_64__) || defined(__aarch64__)

#include "kernels/cpu/attention_pages.h"
#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/simd_float8.h"

namespace weft::kernels::float8 {
namespace {

// 16 positions of a page, those from `from` on, for as many queries as keep their sums in the 16
// registers of AVX2.
template <typename Element, int Q>
inline void score_half(Stream<Element> keys, const float* q, uint32_t q_stride, uint32_t head_dim,
                       float (*scores)[kPage], uint32_t from) {
  Float8 sums[Q][2];
  for (int i = 0; i < Q; ++i) sums[i][0] = sums[i][1] = splat(0);
  for (uint32_t d = 0; d < head_dim; ++d) {
    const Float8 first = load8(keys.at + d * kPage + from);
    const Float8 second = load8(keys.at + d * kPage + from + 8);
    keys.prefetch(d * kPage + from);
    for (int i = 0; i < Q; ++i) {
      const float element = q[d * q_stride + i];
      sums[i][0] = fused_add(sums[i][0], first, element);
      sums[i][1] = fused_add(sums[i][1], second, element);
    }
  }
  for (int i = 0; i < Q; ++i) {
    store8(scores[i] + from, sums[i][0]);
    store8(scores[i] + from + 8, sums[i][1]);
  }
}

// The sums of 8 V elements from d on.
template <typename Element, int Q, int V>
inline void add_elements(Stream<Element> values, uint32_t stride, uint32_t count, uint32_t d,
                         const float (*weights)[kPage], const float* shrink, float* sums) {
  Float8 part[Q][V];
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < V; ++v) {
      part[i][v] = multiply(load8(sums + i * stride + d + 8 * v), shrink[i]);
    }
  }
  for (uint32_t t = 0; t < count; ++t) {
    Float8 value[V];
    for (int v = 0; v < V; ++v) value[v] = load8(values.at + t * stride + d + 8 * v);
    values.prefetch(t * stride + d);
    for (int i = 0; i < Q; ++i) {
      for (int v = 0; v < V; ++v) part[i][v] = fused_add(part[i][v], value[v], weights[i][t]);
    }
  }
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < V; ++v) store8(sums + i * stride + d + 8 * v, part[i][v]);
  }
}

struct Pages {
  static constexpr int kTile = 4;  // queries at once

  template <int Q, typename Element>
  static inline void score(Stream<Element> keys, const float* q, uint32_t q_stride,
                           uint32_t head_dim, float (*scores)[kPage]) {
    constexpr int kNow = Q < kTile ? Q : kTile;
    score_half<Element, kNow>(keys, q, q_stride, head_dim, scores, 0);
    score_half<Element, kNow>(keys, q, q_stride, head_dim, scores, 16);
    if constexpr (Q > kTile) score<Q - kTile>(keys, q + kTile, q_stride, head_dim, scores + kTile);
  }

  static inline Float8 scale(float* scores, uint32_t skip, uint32_t count,
                             const AttentionTask& task) {
    return scale_scores(scores, skip, count, task);
  }

  static inline Float8 weigh(float* scores, float maximum) {
    Float8 sum = splat(0);
    for (int i = 0; i < 4; ++i) {
      const Float8 weight = exp8(subtract(load8(scores + 8 * i), splat(maximum)));
      store8(scores + 8 * i, weight);
      sum = add(sum, weight);
    }
    return sum;
  }

  template <int Q, typename Element>
  static inline void add_values(Stream<Element> values, uint32_t stride, uint32_t count,
                                const float (*weights)[kPage], const float* shrink, float* sums) {
    constexpr int kNow = Q < kTile ? Q : kTile;
    uint32_t d = 0;
    for (; d + 16 <= stride; d += 16) {
      add_elements<Element, kNow, 2>(values, stride, count, d, weights, shrink, sums);
    }
    if (d < stride) add_elements<Element, kNow, 1>(values, stride, count, d, weights, shrink, sums);
    if constexpr (Q > kTile) {
      add_values<Q - kTile>(values, stride, count, weights + kTile, shrink + kTile,
                            sums + kTile * stride);
    }
  }
};

inline void store_one(float value, float* to) {
  *to = value;
}
inline void store_one(float value, uint16_t* to) {
  *to = to_half(value);
}

template <typename Element>
void append(const KvAppend& a) {
  auto* keys = reinterpret_cast<Element*>(a.page);
  Element* value = keys + a.head_dim * kPage + a.slot * a.value_stride;
  for (uint32_t d = 0; d < a.head_dim; ++d) {
    store_one(a.key[d], keys + d * kPage + a.slot);
    store_one(a.value[d], value + d);
  }
}

}  // namespace

void append_f32(const KvAppend& a) {
  append<float>(a);
}
void append_f16(const KvAppend& a) {
  append<uint16_t>(a);
}

void expand_q8_0(const uint8_t* page, uint32_t head_dim, uint32_t value_stride, float* expanded) {
  const QuantizedPage layout = quantized_page(head_dim, value_stride);
  const uint8_t* codes = page;
  for (uint32_t b = 0; b < layout.blocks; ++b) {
    const uint8_t* halves = page + layout.key_scales_at + 64 * b;
    Float8 scales[4];
    for (int i = 0; i < 4; ++i) scales[i] = load_halves(halves + 16 * i);
    const uint32_t end = 32 * (b + 1) < head_dim ? 32 * (b + 1) : head_dim;
    for (uint32_t d = 32 * b; d < end; ++d, codes += kPage, expanded += kPage) {
      for (int i = 0; i < 4; ++i) {
        store8(expanded + 8 * i, multiply(scales[i], load_codes8(codes + 8 * i)));
      }
    }
  }
  for (uint32_t t = 0; t < kPage; ++t) {
    for (uint32_t d = 0; d < value_stride; d += 8, codes += 8, expanded += 8) {
      uint16_t half;  // value_stride is head_dim rounded up to 8: d / 32 is below `blocks`
      __builtin_memcpy(&half, page + layout.value_scales_at + 2 * (t * layout.blocks + d / 32), 2);
      store8(expanded, multiply(load_codes8(codes), from_half(half)));
    }
  }
}

void attend_f32(const AttentionTask& task) {
  attend<Pages, float>(task);
}
void attend_f16(const AttentionTask& task) {
  attend<Pages, uint16_t>(task);
}

}  // namespace weft::kernels::float8

#endif  // defined(__x86_64__) || defined(__aarch64__)

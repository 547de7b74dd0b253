// The KV cache's pages written and read, eight lanes at a time. Scores of a page: a lane is one
// position, so the sum over the head's elements has one order. The weighted sum of values: a lane
// is one element, positions in order.
#if defined(__x86_64__) || defined(__aarch64__)

#include "kernels/cpu/attention_pages.h"
#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/simd_float8.h"

namespace weft::kernels::float8 {
namespace {

// As many heads as keep their sums in the 16 registers of AVX2 beside a position's keys.
template <typename Element, int H>
inline void score_heads(const Element* keys, const float* q, uint32_t head_dim,
                        float (*scores)[kPage]) {
  Float8 sums[H][4];
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < 4; ++i) sums[h][i] = splat(0);
  }
  for (uint32_t d = 0; d < head_dim; ++d) {
    Float8 key[4];
    for (int i = 0; i < 4; ++i) key[i] = load8(keys + d * kPage + 8 * i);
    for (int h = 0; h < H; ++h) {
      const float element = q[h * head_dim + d];
      for (int i = 0; i < 4; ++i) sums[h][i] = fused_add(sums[h][i], key[i], element);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int i = 0; i < 4; ++i) store8(scores[h] + 8 * i, sums[h][i]);
  }
}

// The sums of 8 V elements from d on.
template <typename Element, int H, int V>
inline void add_elements(const Element* values, uint32_t stride, uint32_t count, uint32_t d,
                         const float (*weights)[kPage], const float* shrink,
                         float (*sums)[kHeadDimMax]) {
  Float8 part[H][V];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) part[h][v] = multiply(load8(sums[h] + d + 8 * v), shrink[h]);
  }
  for (uint32_t t = 0; t < count; ++t) {
    Float8 value[V];
    for (int v = 0; v < V; ++v) value[v] = load8(values + t * stride + d + 8 * v);
    for (int h = 0; h < H; ++h) {
      for (int v = 0; v < V; ++v) part[h][v] = fused_add(part[h][v], value[v], weights[h][t]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) store8(sums[h] + d + 8 * v, part[h][v]);
  }
}

struct Pages {
  template <int H, typename Element>
  static inline void score(const Element* keys, const float* q, uint32_t head_dim,
                           float (*scores)[kPage]) {
    for (int h = 0; h + 2 <= H; h += 2) {
      score_heads<Element, 2>(keys, q + h * head_dim, head_dim, scores + h);
    }
    if (H % 2 != 0) {
      score_heads<Element, 1>(keys, q + (H - 1) * head_dim, head_dim, scores + (H - 1));
    }
  }

  template <int H, typename Element>
  static inline void add_values(const Element* values, uint32_t stride, uint32_t count,
                                const float (*weights)[kPage], const float* shrink,
                                float (*sums)[kHeadDimMax]) {
    uint32_t d = 0;
    for (; d + 16 <= stride; d += 16) {
      add_elements<Element, H, 2>(values, stride, count, d, weights, shrink, sums);
    }
    if (d < stride) add_elements<Element, H, 1>(values, stride, count, d, weights, shrink, sums);
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

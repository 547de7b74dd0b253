// The KV cache's pages written and read, NEON.
//
// Scores of a page: a lane is one position, so the sum over the head's elements has one order. The
// weighted sum of values: a lane is one element, positions in order. Pages in order with a running
// maximum (Milakov & Gimelshein 2018, arXiv:1805.02867). What a row gets depends only on its own
// query and positions, never on the batch. Heads that share keys and values run together: a page is
// read once for all of them.
#if defined(__aarch64__)

#include "kernels/cpu/neon_kernels.h"
#include "kernels/cpu/simd_neon.h"

namespace weft::kernels::neon {
namespace {

constexpr uint32_t kPage = 32;  // positions of a page: kPageTokens
constexpr float kMinusInfinity = -__builtin_inff();

// scores[h][t] = q[h] . key[t] for H heads and all positions of a page. Positions that nobody has
// written yet give any number; they are masked later.
template <typename Element, int H>
inline void score_page(const Element* keys, const float* q, uint32_t head_dim,
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

inline float32x4_t only_valid(float32x4_t values, int32x4_t lanes, int32_t count) {
  return vbslq_f32(vcltq_s32(lanes, vdupq_n_s32(count)), values, vdupq_n_f32(kMinusInfinity));
}

// Turns scores into weights e^(score - maximum). Returns the factor for what was summed before.
inline float weigh_page(float* scores, uint32_t count, float scale, float& maximum, float& total) {
  const int32x4_t lanes = {0, 1, 2, 3};
  Float8 scaled[4];
  Float8 top = splat(kMinusInfinity);
  for (int i = 0; i < 4; ++i) {
    const int32_t left = int32_t(count) - 8 * i;
    const Float8 value = multiply(load8(scores + 8 * i), scale);
    scaled[i] = {only_valid(value.low, lanes, left), only_valid(value.high, lanes, left - 4)};
    top = larger(top, scaled[i]);
  }
  const float page_top = max_lanes(top);
  const float grown = page_top > maximum ? page_top : maximum;
  const float shrink = vgetq_lane_f32(exp4(vdupq_n_f32(maximum - grown)), 0);
  maximum = grown;
  Float8 sum = splat(0);
  for (int i = 0; i < 4; ++i) {
    const Float8 weight = exp8(subtract(scaled[i], splat(grown)));
    store8(scores + 8 * i, weight);
    sum = add(sum, weight);
  }
  total = total * shrink + sum_lanes(sum);
  return shrink;
}

// sums[h][d] = sums[h][d] * shrink[h] + sum over t of weights[h][t] * value[t][d], for 8 V elements
// from d on.
template <typename Element, int H, int V>
inline void add_values(const Element* values, uint32_t stride, uint32_t count, uint32_t d,
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

template <typename Element, int H>
void attend_heads(const AttentionTask& task) {
  float sums[H][kHeadDimMax];
  float scores[H][kPage];
  float maximum[H], total[H], shrink[H];
  for (int h = 0; h < H; ++h) {
    maximum[h] = kMinusInfinity;
    total[h] = 0;
    for (uint32_t d = 0; d < task.value_stride; ++d) sums[h][d] = 0;
  }
  for (uint32_t begin = 0; begin < task.length; begin += kPage) {
    const auto* keys = reinterpret_cast<const Element*>(attention_page(task, begin / kPage));
    const Element* values = keys + task.head_dim * kPage;
    const uint32_t count = task.length - begin < kPage ? task.length - begin : kPage;
    constexpr int kPairs = H / 2;
    for (int p = 0; p < kPairs; ++p) {
      score_page<Element, 2>(keys, task.q + 2 * p * task.head_dim, task.head_dim, scores + 2 * p);
    }
    if (H % 2 != 0) {
      score_page<Element, 1>(keys, task.q + (H - 1) * task.head_dim, task.head_dim,
                             scores + (H - 1));
    }
    for (int h = 0; h < H; ++h) {
      shrink[h] = weigh_page(scores[h], count, task.scale, maximum[h], total[h]);
    }
    uint32_t d = 0;
    for (; d + 16 <= task.value_stride; d += 16) {
      add_values<Element, H, 2>(values, task.value_stride, count, d, scores, shrink, sums);
    }
    if (d < task.value_stride) {
      add_values<Element, H, 1>(values, task.value_stride, count, d, scores, shrink, sums);
    }
  }
  for (int h = 0; h < H; ++h) {
    float* out = task.out + h * task.head_dim;
    for (uint32_t d = 0; d < task.head_dim; ++d) out[d] = sums[h][d] / total[h];
  }
}

template <typename Element>
void attend(const AttentionTask& task) {
  static constexpr void (*kHeads[])(const AttentionTask&) = {
      attend_heads<Element, 1>, attend_heads<Element, 2>, attend_heads<Element, 3>,
      attend_heads<Element, 4>};
  kHeads[task.heads - 1](task);
}

inline void store_one(float value, float* to) {
  *to = value;
}
inline void store_one(float value, uint16_t* to) {
  *to = vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(value))), 0);
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
// Codes of 8 elements as floats.
static inline Float8 load_codes_8(const uint8_t* codes) {
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(vld1_u8(codes)));
  return to_floats({vmovl_s16(vget_low_s16(wide)), vmovl_high_s16(wide)});
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
        store8(expanded + 8 * i, multiply(scales[i], load_codes_8(codes + 8 * i)));
      }
    }
  }
  for (uint32_t t = 0; t < kPage; ++t) {
    for (uint32_t d = 0; d < value_stride; d += 8, codes += 8, expanded += 8) {
      // value_stride is head_dim rounded up to 8: d / 32 is below `blocks`.
      const uint8_t* half = page + layout.value_scales_at + 2 * (t * layout.blocks + d / 32);
      const uint16x4_t halves = vld1_dup_u16(reinterpret_cast<const uint16_t*>(half));
      const float32x4_t scale = vcvt_f32_f16(vreinterpret_f16_u16(halves));
      store8(expanded, multiply({scale, scale}, load_codes_8(codes)));
    }
  }
}

void attend_f32(const AttentionTask& task) {
  attend<float>(task);
}
void attend_f16(const AttentionTask& task) {
  attend<uint16_t>(task);
}

}  // namespace weft::kernels::neon

#endif  // defined(__aarch64__)

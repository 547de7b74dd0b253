// Attention over the KV cache's pages, whatever the vectors: pages in order with a running maximum
// (Milakov & Gimelshein 2018, arXiv:1805.02867). What a row gets depends only on its own query and
// positions, never on the batch. Heads that share keys and values run together: a page is read once
// for all of them. Everything is local to the file that includes it: see kernel_table.h.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_float8.h"

namespace weft::kernels {
namespace {

constexpr uint32_t kPage = 32;  // positions of a page: kPageTokens
constexpr float kMinusInfinity = -__builtin_inff();

// Turns the scores of positions skip..count-1 into weights e^(score - maximum), the others' into 0.
// Returns the factor for what was summed before.
inline float weigh_page(float* scores, uint32_t skip, uint32_t count, const AttentionTask& task,
                        float& maximum, float& total) {
  Float8 scaled[4];
  Float8 top = splat(kMinusInfinity);
  for (int i = 0; i < 4; ++i) {
    Float8 value = multiply(load8(scores + 8 * i), task.scale);
    if (task.soft_cap > 0) value = soft_cap8(value, task.soft_cap);
    scaled[i] = first_lanes(value, int32_t(count) - 8 * i, splat(kMinusInfinity));
    if (skip > 0) scaled[i] = first_lanes(splat(kMinusInfinity), int32_t(skip) - 8 * i, scaled[i]);
    top = larger(top, scaled[i]);
  }
  const float page_top = max_lanes(top);
  const float grown = page_top > maximum ? page_top : maximum;
  const float shrink = first_lane(exp8(splat(maximum - grown)));
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

// H heads by the loops of `Pages`, which has
//   score<H>(keys, q, head_dim, scores)      scores[h][t] = q[h] . key[t], for all positions of a
//                                            page: those not written yet may give any number
//   add_values<H>(values, stride, count, weights, shrink, sums)
//                                            sums[h][d] = sums[h][d] * shrink[h] + sum over t of
//                                            weights[h][t] * value[t][d], for d below `stride`
template <class Pages, typename Element, int H>
void attend_heads(const AttentionTask& task) {
  alignas(64) float sums[H][kHeadDimMax];
  alignas(64) float scores[H][kPage];
  float maximum[H], total[H], shrink[H];
  for (int h = 0; h < H; ++h) {
    maximum[h] = task.sinks == nullptr ? kMinusInfinity : task.sinks[h];
    total[h] = task.sinks == nullptr ? 0 : 1;
    for (uint32_t d = 0; d < task.value_stride; ++d) sums[h][d] = 0;
  }
  for (uint32_t begin = 0; begin < task.length; begin += kPage) {
    const auto* keys = reinterpret_cast<const Element*>(attention_page(task, begin / kPage));
    const Element* values = keys + task.head_dim * kPage;
    const uint32_t count = task.length - begin < kPage ? task.length - begin : kPage;
    const uint32_t skip = begin == 0 ? task.skip : 0;
    Pages::template score<H>(keys, task.q, task.head_dim, scores);
    for (int h = 0; h < H; ++h) {
      shrink[h] = weigh_page(scores[h], skip, count, task, maximum[h], total[h]);
    }
    Pages::template add_values<H>(values, task.value_stride, count, scores, shrink, sums);
  }
  for (int h = 0; h < H; ++h) {
    float* out = task.out + h * task.head_dim;
    for (uint32_t d = 0; d < task.head_dim; ++d) out[d] = sums[h][d] / total[h];
  }
}

template <class Pages, typename Element>
inline void attend(const AttentionTask& task) {
  static constexpr void (*kHeads[])(const AttentionTask&) = {
      attend_heads<Pages, Element, 1>, attend_heads<Pages, Element, 2>,
      attend_heads<Pages, Element, 3>, attend_heads<Pages, Element, 4>};
  static_assert(sizeof kHeads / sizeof kHeads[0] == kSharedHeadsMax);
  kHeads[task.heads - 1](task);
}

}  // namespace
}  // namespace weft::kernels

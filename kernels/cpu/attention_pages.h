// Attention over the KV cache's pages, whatever the vectors: pages in order with a running maximum
// (Milakov & Gimelshein 2018, arXiv:1805.02867). What a row gets depends only on its own query and
// positions, never on the batch. Heads that share keys and values run together, and the rows of a
// prompt: a page is read once for all of them. Everything is local to the file that includes it:
// see kernel_table.h.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_float8.h"

namespace weft::kernels {
namespace {

constexpr uint32_t kPage = 32;  // positions of a page: kPageTokens
constexpr float kMinusInfinity = -__builtin_inff();

// A page's keys or values, and how many bytes on those of the page to be read next lie: its lines
// are asked for as this one's are read. All at once they would hold up the loads of this page.
template <typename Element>
struct Stream {
  const Element* at;
  ptrdiff_t next;

  Stream operator+(size_t elements) const { return {at + elements, next}; }
  void prefetch(size_t element) const {
    __builtin_prefetch(reinterpret_cast<const char*>(at + element) + next);
  }
};

// What is kept of a task's queries: the heads of its first row, of its second, and so on.
struct Queries {
  // One row of kSharedHeadsMax heads may be larger than several of few.
  static constexpr uint32_t kFloats = kSharedHeadsMax * kHeadDimMax;
  static_assert(kFloats >= kQueryFloatsMax);

  uint32_t count;
  alignas(64) float q[kFloats];     // [head_dim][count]
  alignas(64) float sums[kFloats];  // [count][value_stride], of weighted values
  float maximum[kQueriesMax + 7];   // of the scores; 8 are read at a time
  float total[kQueriesMax + 7];     // of the weights
};

// Scales the scores of positions skip..count-1 and takes the others' away. The lanes' largest.
inline Float8 scale_scores(float* scores, uint32_t skip, uint32_t count,
                           const AttentionTask& task) {
  Float8 top = splat(kMinusInfinity);
  for (int i = 0; i < 4; ++i) {
    Float8 value = multiply(load8(scores + 8 * i), task.scale);
    if (task.soft_cap > 0) value = soft_cap8(value, task.soft_cap);
    value = first_lanes(value, int32_t(count) - 8 * i, splat(kMinusInfinity));
    if (skip > 0) value = first_lanes(splat(kMinusInfinity), int32_t(skip) - 8 * i, value);
    store8(scores + 8 * i, value);
    top = larger(top, value);
  }
  return top;
}

// Positions skip..count-1 of a page for Q queries from `first` on, by the loops of `Pages`:
//   score<Q>(Stream keys, q, q_stride, head_dim, scores)
//                                     scores[i][t] = sum over d of q[d * q_stride + i] * key[d][t],
//                                     for all t: those not written yet may give any number
//   scale(scores, skip, count, task)  as scale_scores above
//   weigh(scores, maximum)            makes of scores weights e^(score - maximum); the lanes' sums
//   add_values<Q>(Stream values, stride, count, weights, shrink, sums)
//                                     sums[i][d] = sums[i][d] * shrink[i] + sum over t of
//                                     weights[i][t] * value[t][d], for d below `stride`
template <class Pages, typename Element, int Q>
void attend_page(const AttentionTask& task, Queries& queries, uint32_t first, Stream<Element> keys,
                 uint32_t skip, uint32_t count) {
  static_assert(Q <= 8);
  alignas(64) float scores[Q][kPage];
  Pages::template score<Q>(keys, queries.q + first, queries.count, task.head_dim, scores);
  Float8 rows[8];
  for (int i = 0; i < 8; ++i) {
    rows[i] = i < Q ? Pages::scale(scores[i], skip, count, task) : splat(kMinusInfinity);
  }
  float* maximum = queries.maximum + first;
  float* total = queries.total + first;
  alignas(32) float grown[8], shrink[8];
  const Float8 before = load8(maximum);
  const Float8 top = fold_rows(rows, [](Float8 a, Float8 b) { return larger(a, b); });
  store8(grown, larger(top, before));
  store8(shrink, exp8(subtract(before, load8(grown))));
  for (int i = 0; i < 8; ++i) rows[i] = i < Q ? Pages::weigh(scores[i], grown[i]) : splat(0);
  const Float8 sums = fold_rows(rows, [](Float8 a, Float8 b) { return add(a, b); });
  const Float8 totals = add(multiply(load8(total), load8(shrink)), sums);
  store8(maximum, first_lanes(load8(grown), Q, before));
  store8(total, first_lanes(totals, Q, load8(total)));
  Pages::template add_values<Q>(keys + task.head_dim * kPage, task.value_stride, count, scores,
                                shrink, queries.sums + first * task.value_stride);
}

inline void begin_queries(const AttentionTask& task, Queries& queries) {
  queries.count = task.row_count * task.heads;
  for (uint32_t i = 0; i < kQueriesMax + 7; ++i) queries.maximum[i] = queries.total[i] = 0;
  for (uint32_t i = 0; i < queries.count; ++i) {
    const uint32_t head = i % task.heads;
    const float* q = task.rows[i / task.heads].q + head * task.head_dim;
    for (uint32_t d = 0; d < task.head_dim; ++d) queries.q[d * queries.count + i] = q[d];
    for (uint32_t d = 0; d < task.value_stride; ++d) queries.sums[i * task.value_stride + d] = 0;
    queries.maximum[i] = task.sinks == nullptr ? kMinusInfinity : task.sinks[head];
    queries.total[i] = task.sinks == nullptr ? 0 : 1;
  }
}

inline void end_queries(const AttentionTask& task, const Queries& queries) {
  for (uint32_t i = 0; i < queries.count; ++i) {
    float* out = task.rows[i / task.heads].out + i % task.heads * task.head_dim;
    const float* sums = queries.sums + i * task.value_stride;
    for (uint32_t d = 0; d < task.head_dim; ++d) out[d] = sums[d] / queries.total[i];
  }
}

inline ptrdiff_t bytes_between(const AttentionTask& task, uint32_t page, uint32_t other) {
  return (ptrdiff_t{task.pages[other]} - ptrdiff_t{task.pages[page]}) * ptrdiff_t(task.page_stride);
}

template <class Pages, typename Element>
inline void attend(const AttentionTask& task) {
  static constexpr void (*kAttendPage[])(const AttentionTask&, Queries&, uint32_t, Stream<Element>,
                                         uint32_t, uint32_t) = {
      attend_page<Pages, Element, 1>, attend_page<Pages, Element, 2>,
      attend_page<Pages, Element, 3>, attend_page<Pages, Element, 4>,
      attend_page<Pages, Element, 5>, attend_page<Pages, Element, 6>,
      attend_page<Pages, Element, 7>, attend_page<Pages, Element, 8>};
  constexpr uint32_t kWidest = sizeof kAttendPage / sizeof kAttendPage[0];
  static_assert(kWidest >= kSharedHeadsMax);

  Queries queries;
  begin_queries(task, queries);
  const AttentionRow* rows = task.rows;
  const uint32_t last = task.row_count - 1;
  for (uint32_t begin = 0; begin < rows[last].end; begin += kPage) {
    const uint32_t page = begin / kPage;
    const auto* at = reinterpret_cast<const Element*>(attention_page(task, page));
    const bool more = begin + kPage < rows[last].end && task.expand == nullptr;
    const Stream<Element> keys{at, more ? bytes_between(task, page, page + 1) : 0};
    if (rows[last].begin <= begin && rows[0].end >= begin + kPage) {  // the page of every row
      for (uint32_t first = 0; first < queries.count; first += kWidest) {
        const uint32_t left = queries.count - first;
        kAttendPage[(left < kWidest ? left : kWidest) - 1](task, queries, first, keys, 0, kPage);
      }
      continue;
    }
    for (uint32_t r = 0; r <= last; ++r) {
      if (rows[r].begin >= begin + kPage || rows[r].end <= begin) continue;
      const uint32_t skip = rows[r].begin > begin ? rows[r].begin - begin : 0;
      const uint32_t count = rows[r].end < begin + kPage ? rows[r].end - begin : kPage;
      kAttendPage[task.heads - 1](task, queries, r * task.heads, keys, skip, count);
    }
  }
  end_queries(task, queries);
}

}  // namespace
}  // namespace weft::kernels

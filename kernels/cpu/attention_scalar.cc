// The KV cache's pages written and read in plain C++.
#include <cmath>
#include <limits>

#include "base/assert.h"
#include "kernels/cpu/scalar_kernels.h"
#include "kernels/kv_cache.h"
#include "model/tensor_type.h"

namespace weft::kernels::scalar {
namespace {

float to_float(float value) {
  return value;
}
float to_float(uint16_t half) {
  return model::f16_to_f32(half);
}
void from_float(float value, float& to) {
  to = value;
}
void from_float(float value, uint16_t& to) {
  to = model::f32_to_f16(value);
}

template <typename Element>
void append(const KvAppend& a) {
  auto* keys = reinterpret_cast<Element*>(a.page);
  Element* value = keys + a.head_dim * kPageTokens + a.slot * a.value_stride;
  for (uint32_t d = 0; d < a.head_dim; ++d) {
    from_float(a.key[d], keys[d * kPageTokens + a.slot]);
    from_float(a.value[d], value[d]);
  }
}

// One head. Pages in order, with the running maximum of the scores: what was summed so far is
// scaled down when the maximum grows. Source: Milakov & Gimelshein 2018, arXiv:1805.02867.
template <typename Element>
void attend_head(const AttentionTask& task, const float* q, float* out) {
  float maximum = -std::numeric_limits<float>::infinity();
  float total = 0;
  float sums[kHeadDimMax] = {};
  for (uint32_t begin = 0; begin < task.length; begin += kPageTokens) {
    const uint32_t page = task.pages[begin / kPageTokens];
    const auto* keys = reinterpret_cast<const Element*>(task.first_page + page * task.page_stride);
    const Element* values = keys + task.head_dim * kPageTokens;
    const uint32_t count = task.length - begin < kPageTokens ? task.length - begin : kPageTokens;

    float scores[kPageTokens] = {};
    for (uint32_t d = 0; d < task.head_dim; ++d) {
      for (uint32_t t = 0; t < count; ++t) scores[t] += q[d] * to_float(keys[d * kPageTokens + t]);
    }
    float grown = maximum;
    for (uint32_t t = 0; t < count; ++t) grown = std::fmax(grown, scores[t] * task.scale);
    const float shrink = std::exp(maximum - grown);
    maximum = grown;
    total *= shrink;
    for (uint32_t d = 0; d < task.head_dim; ++d) sums[d] *= shrink;
    for (uint32_t t = 0; t < count; ++t) {
      const float weight = std::exp(scores[t] * task.scale - maximum);
      total += weight;
      for (uint32_t d = 0; d < task.head_dim; ++d) {
        sums[d] += weight * to_float(values[t * task.value_stride + d]);
      }
    }
  }
  for (uint32_t d = 0; d < task.head_dim; ++d) out[d] = sums[d] / total;
}

template <typename Element>
void attend(const AttentionTask& task) {
  WEFT_ASSERT(task.head_dim <= kHeadDimMax);
  for (uint32_t h = 0; h < task.heads; ++h) {
    attend_head<Element>(task, task.q + h * task.head_dim, task.out + h * task.head_dim);
  }
}

}  // namespace

void append_f32(const KvAppend& a) {
  append<float>(a);
}
void append_f16(const KvAppend& a) {
  append<uint16_t>(a);
}
void attend_f32(const AttentionTask& task) {
  attend<float>(task);
}
void attend_f16(const AttentionTask& task) {
  attend<uint16_t>(task);
}

}  // namespace weft::kernels::scalar

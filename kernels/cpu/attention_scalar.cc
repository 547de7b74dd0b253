// The KV cache's pages written and read in plain C++.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/assert.h"
#include "kernels/cpu/scalar_kernels.h"
#include "kernels/kv_cache.h"
#include "kernels/kv_quantize.h"
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

// One row's head. Pages in order, with the running maximum of the scores: what was summed so far is
// scaled down when the maximum grows. Source: Milakov & Gimelshein 2018, arXiv:1805.02867.
template <typename Element>
void attend_head(const AttentionTask& task, const AttentionRow& row, uint32_t head) {
  const float* q = row.q + size_t{head} * task.head_dim;
  float* out = row.out + size_t{head} * task.head_dim;
  const float* sink = task.sinks ? task.sinks + head : nullptr;
  float maximum = sink ? *sink : -std::numeric_limits<float>::infinity();
  float total = sink ? 1 : 0;
  float sums[kHeadDimMax] = {};
  for (uint32_t begin = row.begin / kPageTokens * kPageTokens; begin < row.end;
       begin += kPageTokens) {
    const auto* keys = reinterpret_cast<const Element*>(attention_page(task, begin / kPageTokens));
    const Element* values = keys + task.head_dim * kPageTokens;
    const uint32_t count = std::min(row.end - begin, kPageTokens);
    const uint32_t skip = std::max(row.begin, begin) - begin;

    float scores[kPageTokens] = {};
    for (uint32_t d = 0; d < task.head_dim; ++d) {
      for (uint32_t t = 0; t < count; ++t) scores[t] += q[d] * to_float(keys[d * kPageTokens + t]);
    }
    float grown = maximum;
    for (uint32_t t = skip; t < count; ++t) {
      scores[t] *= task.scale;
      if (task.soft_cap > 0) scores[t] = task.soft_cap * std::tanh(scores[t] / task.soft_cap);
      grown = std::fmax(grown, scores[t]);
    }
    const float shrink = std::exp(maximum - grown);
    maximum = grown;
    total *= shrink;
    for (uint32_t d = 0; d < task.head_dim; ++d) sums[d] *= shrink;
    for (uint32_t t = skip; t < count; ++t) {
      const float weight = std::exp(scores[t] - maximum);
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
  for (uint32_t r = 0; r < task.row_count; ++r) {
    for (uint32_t h = 0; h < task.heads; ++h) attend_head<Element>(task, task.rows[r], h);
  }
}

}  // namespace

void append_f32(const KvAppend& a) {
  append<float>(a);
}
void append_f16(const KvAppend& a) {
  append<uint16_t>(a);
}

void append_q8_0(const KvAppend& a) {
  const QuantizedPage layout = quantized_page(a.head_dim, a.value_stride);
  auto* keys = reinterpret_cast<int8_t*>(a.page) + a.slot;
  auto* values = reinterpret_cast<int8_t*>(a.page + layout.values_at) + a.slot * a.value_stride;
  auto* key_scales = reinterpret_cast<uint16_t*>(a.page + layout.key_scales_at) + a.slot;
  auto* value_scales =
      reinterpret_cast<uint16_t*>(a.page + layout.value_scales_at) + a.slot * layout.blocks;
  for (uint32_t b = 0; b < layout.blocks; ++b) {
    const uint32_t begin = b * kKvBlock;
    const uint32_t count = std::min(kKvBlock, a.head_dim - begin);
    int8_t codes[kKvBlock];
    key_scales[b * kPageTokens] = quantize_kv_block({a.key + begin, count}, codes);
    for (uint32_t i = 0; i < count; ++i) keys[(begin + i) * kPageTokens] = codes[i];
    value_scales[b] = quantize_kv_block({a.value + begin, count}, values + begin);
  }
}

void expand_q8_0(const uint8_t* page, uint32_t head_dim, uint32_t value_stride, float* expanded) {
  const QuantizedPage layout = quantized_page(head_dim, value_stride);
  const auto* codes = reinterpret_cast<const int8_t*>(page);
  const auto* key_scales = reinterpret_cast<const uint16_t*>(page + layout.key_scales_at);
  const auto* value_scales = reinterpret_cast<const uint16_t*>(page + layout.value_scales_at);
  for (uint32_t d = 0; d < head_dim; ++d) {
    const uint16_t* scales = key_scales + d / kKvBlock * kPageTokens;
    for (uint32_t t = 0; t < kPageTokens; ++t) {
      *expanded++ = model::f16_to_f32(scales[t]) * float(*codes++);
    }
  }
  for (uint32_t t = 0; t < kPageTokens; ++t) {
    for (uint32_t d = 0; d < value_stride; ++d) {
      const uint32_t block = std::min(d / kKvBlock, layout.blocks - 1);
      *expanded++ = model::f16_to_f32(value_scales[t * layout.blocks + block]) * float(*codes++);
    }
  }
}

void attend_f32(const AttentionTask& task) {
  attend<float>(task);
}
void attend_f16(const AttentionTask& task) {
  attend<uint16_t>(task);
}

}  // namespace weft::kernels::scalar

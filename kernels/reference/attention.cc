#include "kernels/reference/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/assert.h"

namespace weft::kernels::reference {

void attention_row(std::span<float> out, std::span<const float> q, std::span<const float> keys,
                   std::span<const float> values, std::span<const float> sinks,
                   const AttentionParams& params) {
  const size_t dim = params.head_dim;
  const size_t kv_dim = params.kv_head_count * dim;
  WEFT_ASSERT(dim > 0 && params.kv_head_count > 0);
  WEFT_ASSERT(params.head_count % params.kv_head_count == 0);
  WEFT_ASSERT(q.size() == params.head_count * dim && out.size() == q.size());
  WEFT_ASSERT(keys.size() % kv_dim == 0 && !keys.empty() && values.size() == keys.size());
  WEFT_ASSERT(sinks.empty() || sinks.size() == params.head_count);
  const size_t positions = keys.size() / kv_dim;
  const uint32_t heads_per_kv = params.head_count / params.kv_head_count;

  std::vector<double> weights(positions);
  for (uint32_t head = 0; head < params.head_count; ++head) {
    const size_t kv_offset = head / heads_per_kv * dim;
    double highest = sinks.empty() ? -std::numeric_limits<double>::infinity() : sinks[head];
    for (size_t p = 0; p < positions; ++p) {
      double dot = 0;
      for (size_t d = 0; d < dim; ++d) {
        dot += double{q[head * dim + d]} * keys[p * kv_dim + kv_offset + d];
      }
      weights[p] = dot * params.scale;
      if (params.soft_cap > 0) {
        weights[p] = params.soft_cap * std::tanh(weights[p] / params.soft_cap);
      }
      highest = std::max(highest, weights[p]);
    }
    // Subtracting the highest score changes no result and keeps exp from overflowing.
    double total = sinks.empty() ? 0 : std::exp(sinks[head] - highest);
    for (double& weight : weights) {
      weight = std::exp(weight - highest);
      total += weight;
    }
    for (size_t d = 0; d < dim; ++d) {
      double sum = 0;
      for (size_t p = 0; p < positions; ++p) {
        sum += weights[p] * values[p * kv_dim + kv_offset + d];
      }
      out[head * dim + d] = float(sum / total);
    }
  }
}

}  // namespace weft::kernels::reference

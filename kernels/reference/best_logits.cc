#include "kernels/reference/best_logits.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/assert.h"

namespace weft::kernels::reference {

void best_logits(std::span<float> best, std::span<const float> logits) {
  const size_t count = best.size() / 2;
  WEFT_ASSERT(count <= logits.size());
  std::vector<uint32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const bool finite_a = std::isfinite(logits[a]), finite_b = std::isfinite(logits[b]);
    if (!finite_a || !finite_b) return finite_b && !finite_a;
    return logits[a] > logits[b];
  });
  for (size_t i = 0; i < count; ++i) {
    best[i] = float(order[i]);
    best[count + i] = logits[order[i]];
  }
}

}  // namespace weft::kernels::reference

#include "kernels/reference/experts.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/assert.h"

namespace weft::kernels::reference {

void choose_experts(std::span<float> choice, std::span<const float> logits) {
  const size_t used = choice.size() / 2;
  WEFT_ASSERT(used > 0 && used <= logits.size());
  std::vector<uint32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto worth = [&](uint32_t expert) {
    return std::isnan(logits[expert]) ? -INFINITY : logits[expert];
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return worth(a) > worth(b); });
  double total = 0;
  for (size_t i = 0; i < used; ++i) total += std::exp(double{logits[order[i]]} - logits[order[0]]);
  for (size_t i = 0; i < used; ++i) {
    choice[i] = float(order[i]);
    choice[used + i] = float(std::exp(double{logits[order[i]]} - logits[order[0]]) / total);
  }
}

}  // namespace weft::kernels::reference

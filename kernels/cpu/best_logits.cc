#include "kernels/cpu/best_logits.h"

#include <array>
#include <bit>
#include <cstdint>

#include "base/assert.h"
#include "base/sampling.h"

namespace weft::kernels {
namespace {

// Larger for what comes first. Of equal keys the lower column does.
uint32_t key_of(float logit) {
  const uint32_t bits = std::bit_cast<uint32_t>(logit);
  constexpr uint32_t kSign = 0x80000000, kExponent = 0x7f800000;
  if ((bits & kExponent) == kExponent) return UINT32_MAX;  // no finite number
  if (bits == kSign) return kSign;                         // the two zeros are equal
  return bits & kSign ? ~bits : bits | kSign;
}

}  // namespace

void best_of_row(std::span<float> best, std::span<const float> logits) {
  const size_t wanted = best.size() / 2;
  WEFT_ASSERT(wanted > 0 && wanted <= kBestLogitsMax && wanted <= logits.size());
  std::array<uint32_t, kBestLogitsMax> keys, columns;  // in order
  size_t count = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const uint32_t key = key_of(logits[i]);
    if (count == wanted && key <= keys[count - 1]) continue;
    size_t at = count < wanted ? count++ : count - 1;
    for (; at > 0 && keys[at - 1] < key; --at) {
      keys[at] = keys[at - 1];
      columns[at] = columns[at - 1];
    }
    keys[at] = key;
    columns[at] = uint32_t(i);
  }
  for (size_t i = 0; i < wanted; ++i) {
    best[i] = float(columns[i]);
    best[wanted + i] = logits[columns[i]];
  }
}

}  // namespace weft::kernels

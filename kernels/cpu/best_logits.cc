#include "kernels/cpu/best_logits.h"

#include <array>
#include <bit>
#include <cstdint>

#include "base/assert.h"
#include "base/sampling.h"

namespace weft::kernels {
namespace {

constexpr uint32_t kSign = 0x80000000, kExponent = 0x7f800000;
constexpr size_t kBlock = 64;  // logits that are looked at together: almost none holds a better one

// Larger for what comes first. Of equal keys the lower column does.
uint32_t key_of(float logit) {
  const uint32_t bits = std::bit_cast<uint32_t>(logit);
  if ((bits & kExponent) == kExponent) return UINT32_MAX;  // no finite number
  if (bits == kSign) return kSign;                         // the two zeros are equal
  return bits & kSign ? ~bits : bits | kSign;
}

// Whether some of a block's logits come before one with this key; also true of some where none
// does. Without branches, so that compilers make vectors of it.
bool may_beat(uint32_t key, const float* block) {
  const auto limit = int32_t(key ^ kSign), exponent = int32_t(kExponent);
  uint32_t found = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const auto bits = std::bit_cast<int32_t>(block[i]);
    const int32_t ordered = bits ^ ((bits >> 31) & 0x7fffffff);
    found |= uint32_t(ordered > limit) | uint32_t((bits & exponent) == exponent);
  }
  return found != 0;
}

}  // namespace

void best_of_row(std::span<float> best, std::span<const float> logits) {
  const size_t wanted = best.size() / 2;
  WEFT_ASSERT(wanted > 0 && wanted <= kBestLogitsMax && wanted <= logits.size());
  std::array<uint32_t, kBestLogitsMax> keys, columns;  // in order
  size_t count = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (i % kBlock == 0 && count == wanted) {
      while (logits.size() - i >= kBlock && !may_beat(keys[count - 1], &logits[i])) i += kBlock;
      if (i == logits.size()) break;
    }
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

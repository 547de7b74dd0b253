// An open-addressing index of numbers, and the hashes that feed it.
//
// A vocabulary comes from a file that may be hostile. The hashes are polynomials over the prime
// 2^61 - 1 at a point drawn at random per process (Carter and Wegman 1979), so that no file can aim
// at collisions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/assert.h"

namespace weft::model {

uint64_t hash_text(std::string_view text);
uint64_t hash_pair(uint32_t first, uint32_t second);

class FlatIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  FlatIndex() = default;
  // For at most `capacity` values.
  explicit FlatIndex(size_t capacity) : left_(capacity) {
    size_t slots = 8;
    while (slots < capacity + capacity / 2) slots *= 2;
    slots_.assign(slots, kNone);
  }

  void insert(uint64_t hash, uint32_t value) {
    WEFT_ASSERT(value != kNone && left_-- > 0);
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = value;
  }

  // The first value inserted under `hash` for which matches(value) holds, or kNone.
  template <typename Matches>
  uint32_t find(uint64_t hash, Matches matches) const {
    if (slots_.empty()) return kNone;
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at] != kNone && !matches(slots_[at])) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }

 private:
  std::vector<uint32_t> slots_;
  size_t left_ = 0;
};

}  // namespace weft::model

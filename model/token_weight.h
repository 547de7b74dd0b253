// What a token weighs in a draw: 2^32 times exp(-below / temperature), `below` the best logit by
// so much, in whole numbers. Their sums are the same in any order and on any device, so it does not
// matter to a stream where they are added up (kernels/vulkan/shaders/total_weights.comp).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace weft::model {

// log2(e) / temperature, for a temperature above 0.
inline float weight_scale(float temperature) {
  return float(std::min(1.4426950408889634 / double(temperature), 0x1p60));
}

// Multiplications and subtractions of floats are rounded alike everywhere; the rest is integers:
// 2^g for g in [0, 1) by a polynomial that is 1 at 0 and 2 at 1, off by at most 1e-8 of itself.
inline uint32_t token_weight(float below, float scale) {
  constexpr uint32_t kTerms[] = {470068,    2665324,    20783807,  119155374,
                                 515886927, 1488522149, 2147483648};
  const float y = below * scale;
  if (!(y < 33)) return 0;
  const uint32_t whole = uint32_t(y);
  const uint32_t g = ~uint32_t((y - float(whole)) * 0x1p32f);
  uint64_t sum = 0;
  for (const uint32_t term : kTerms) sum = term + (sum * g >> 32);
  return uint32_t(((sum << 1 >> whole) + 1) >> 1);
}

inline uint64_t total_weight(std::span<const float> logits, float best, float scale) {
  uint64_t total = 0;
  for (const float logit : logits) total += token_weight(best - logit, scale);
  return total;
}

// A total as three floats, of 24 bits each, the lowest first: as a backend gives it.
inline std::array<float, 3> split_total(uint64_t total) {
  return {float(total & 0xffffff), float(total >> 24 & 0xffffff), float(total >> 48)};
}
inline uint64_t join_total(std::span<const float, 3> parts) {
  return uint64_t(parts[0]) + (uint64_t(parts[1]) << 24) + (uint64_t(parts[2]) << 48);
}

}  // namespace weft::model

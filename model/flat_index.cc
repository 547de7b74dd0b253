#include "model/flat_index.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace weft::model {
namespace {

__extension__ typedef unsigned __int128 Wide;

constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;

uint64_t multiply_add(uint64_t a, uint64_t b, uint64_t c) {
  const Wide product = Wide(a) * b + c;
  const uint64_t folded = uint64_t(product & kPrime) + uint64_t(product >> 61);
  return folded >= kPrime ? folded - kPrime : folded;
}

uint64_t random_point() {
  std::random_device device;
  const uint64_t bits = uint64_t(device()) << 32 | device();
  return bits % (kPrime - 1) + 1;
}

const uint64_t g_point = random_point();

// Spreads the polynomial's value over the low bits, which pick the slot.
uint64_t spread(uint64_t value) {
  value *= 0x9E3779B97F4A7C15;
  return value ^ value >> 32;
}

}  // namespace

uint64_t hash_text(std::string_view text) {
  // Seven bytes are one coefficient: below the prime, and the length tells padded tails apart.
  constexpr size_t kChunk = 7;
  uint64_t value = text.size() + 1;
  for (size_t at = 0; at < text.size(); at += kChunk) {
    uint64_t coefficient = 0;
    std::memcpy(&coefficient, text.data() + at, std::min(kChunk, text.size() - at));
    value = multiply_add(value, g_point, coefficient);
  }
  return spread(multiply_add(value, g_point, 0));
}

uint64_t hash_pair(uint32_t first, uint32_t second) {
  return spread(multiply_add(multiply_add(first + uint64_t{1}, g_point, second), g_point, 0));
}

}  // namespace weft::model

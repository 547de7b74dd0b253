#include "base/random.h"

#include <cmath>

#include "base/assert.h"

namespace weft {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, uint64_t key) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  uint32_t key0 = uint32_t(key), key1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t(kMultiplier0) * counter[0];
    const uint64_t product1 = uint64_t(kMultiplier1) * counter[2];
    counter = {uint32_t(product1 >> 32) ^ counter[1] ^ key0, uint32_t(product1),
               uint32_t(product0 >> 32) ^ counter[3] ^ key1, uint32_t(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

namespace {

__extension__ typedef unsigned __int128 Wide;

uint64_t bits_at(uint64_t key, uint64_t position) {
  const auto words = philox4x32({uint32_t(position), uint32_t(position >> 32), 0, 0}, key);
  return uint64_t(words[1]) << 32 | words[0];
}

double to_unit(uint64_t bits) { return double(bits >> 11) * 0x1p-53; }

}  // namespace

double uniform_at(uint64_t key, uint64_t position) { return to_unit(bits_at(key, position)); }

uint64_t Random::next() { return bits_at(seed_, counter_++); }

double Random::uniform() { return to_unit(next()); }

uint64_t Random::below(uint64_t bound) {
  WEFT_ASSERT(bound > 0);
  return uint64_t(static_cast<Wide>(next()) * bound >> 64);
}

double Random::normal() {
  constexpr double kTau = 6.283185307179586;
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(kTau * uniform());
}

}  // namespace weft

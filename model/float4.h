// Four floats at once for the loops over blocks, by the compiler's own vectors: the same bits on
// any machine.
#pragma once

#include <cstdint>
#include <cstring>

namespace weft::model {

using Float4 = float __attribute__((vector_size(16)));

inline Float4 load4(const float* from) {
  Float4 values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

inline float sum_of(Float4 v) {
  return (v[0] + v[1]) + (v[2] + v[3]);
}

// To the nearest whole number within [low, high]. Adding 1.5 * 2^23 leaves no bits for a fraction.
inline Float4 round4(Float4 value, float low, float high) {
  constexpr float kNoFraction = 0x1.8p23f;
  const Float4 least = Float4{} + low, most = Float4{} + high;
  value = value > least ? value : least;
  value = value < most ? value : most;
  return (value + kNoFraction) - kNoFraction;
}

// The larger of each two; b where a is no number.
inline Float4 max4(Float4 a, Float4 b) {
  return a > b ? a : b;
}

}  // namespace weft::model

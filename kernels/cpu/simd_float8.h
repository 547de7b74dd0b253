// Float8, 8 floats: one vocabulary for AVX2 on x86-64 (simd_avx2.h) and NEON on aarch64
// (simd_neon.h). Files named *_float8.cc are written in it, once, and give the same bits on both.
// On other processors they are empty. Everything is local to the file that includes it: see
// kernel_table.h.
//
//   splat, load8, load_halves, load_bfloats, load_codes8, store8   8 values, of any alignment
//   add, subtract, multiply, divide, fused_add, fused_subtract     lane by lane
//   larger, smaller, magnitude, nearest_integer, exp8, tanh8, soft_cap8
//   times_power_of_2, where_at_least, first_lanes
//   sum_lanes, max_lanes                                           one float
//   fold_rows                                                      8 vectors to the lanes of one
//   to_codes, store_codes, sum_codes                               32 values as int8
//   from_half, to_half, rotate_pairs4, prefetch_ahead
#pragma once

#if defined(__x86_64__)
#include "kernels/cpu/simd_avx2.h"
#elif defined(__aarch64__)
#include "kernels/cpu/simd_neon.h"
#endif

namespace weft::kernels {
namespace {

// e^x with a relative error below 3e-7 for -87 <= x <= 88; 0 below (minus infinity included), and
// no more than e^88 above. x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series to r^7
// (the rest is below 6e-9), 2^n by the exponent's bits.
inline Float8 exp8(Float8 x) {
  const Float8 lowest = splat(-87.0f);
  const Float8 clamped = smaller(larger(x, lowest), splat(88.0f));
  const Float8 n = nearest_integer(multiply(clamped, 1.44269504088896341f));
  // ln 2 in two parts: the first has few enough bits that n times it is exact.
  Float8 r = fused_subtract(clamped, n, 0.693359375f);
  r = fused_subtract(r, n, -2.12194440054690583e-4f);
  Float8 p = splat(1.0f / 5040);
  p = fused_add(splat(1.0f / 720), p, r);
  p = fused_add(splat(1.0f / 120), p, r);
  p = fused_add(splat(1.0f / 24), p, r);
  p = fused_add(splat(1.0f / 6), p, r);
  p = fused_add(splat(0.5f), p, r);
  p = fused_add(splat(1.0f), p, r);
  p = fused_add(splat(1.0f), p, r);
  return where_at_least(x, lowest, times_power_of_2(p, n));
}

// tanh x, off by at most 1.2e-7.
inline Float8 tanh8(Float8 x) {
  const Float8 grown = exp8(add(x, x));
  return subtract(splat(1.0f), divide(splat(2.0f), add(grown, splat(1.0f))));
}
inline Float8 soft_cap8(Float8 x, float cap) {
  return multiply(tanh8(divide(x, splat(cap))), cap);
}

// How a panel holds a column of 8 floats.
struct F32 {
  static constexpr uint32_t kColumnBytes = 32;
  static inline Float8 load(const uint8_t* at) { return load8(reinterpret_cast<const float*>(at)); }
};
struct F16 {
  static constexpr uint32_t kColumnBytes = 16;
  static inline Float8 load(const uint8_t* at) { return load_halves(at); }
};
struct BF16 {
  static constexpr uint32_t kColumnBytes = 16;
  static inline Float8 load(const uint8_t* at) { return load_bfloats(at); }
};

}  // namespace
}  // namespace weft::kernels

// What the NEON files share: vectors of 8 lanes, as a panel has rows, made of two registers. Lanes
// are added in the order of simd_avx2.h. Everything is local to the file that includes it: see
// kernel_table.h.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kernel_table.h"

namespace weft::kernels {
namespace {

struct Float8 {
  float32x4_t low, high;
};
struct Int8 {  // 8 lanes of int32
  int32x4_t low, high;
};
struct Codes {  // 8 lanes of 4 bytes
  uint8x16_t low, high;
};

// How far ahead of its use a stream of weights is asked for. Small cores have prefetchers that look
// less far ahead than the memory is slow.
constexpr size_t kPrefetchBytes = 1024;

// Asks for the `bytes` that lie kPrefetchBytes ahead. Beyond the end of the weights it does
// nothing.
inline void prefetch_ahead(const uint8_t* at, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + kPrefetchBytes + i);
}

inline Float8 splat(float value) {
  return {vdupq_n_f32(value), vdupq_n_f32(value)};
}
inline Float8 load8(const float* from) {
  return {vld1q_f32(from), vld1q_f32(from + 4)};
}
inline Float8 load8(const uint16_t* halves) {
  const float16x8_t both = vreinterpretq_f16_u16(vld1q_u16(halves));
  return {vcvt_f32_f16(vget_low_f16(both)), vcvt_high_f32_f16(both)};
}
inline Float8 load_halves(const uint8_t* from) {
  return load8(reinterpret_cast<const uint16_t*>(from));
}
inline void store8(float* to, Float8 v) {
  vst1q_f32(to, v.low);
  vst1q_f32(to + 4, v.high);
}
inline Codes load_codes(const uint8_t* from) {
  return {vld1q_u8(from), vld1q_u8(from + 16)};
}

inline Float8 add(Float8 a, Float8 b) {
  return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
}
inline Float8 subtract(Float8 a, Float8 b) {
  return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)};
}
inline Float8 multiply(Float8 a, Float8 b) {
  return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)};
}
inline Float8 multiply(Float8 a, float b) {
  return {vmulq_n_f32(a.low, b), vmulq_n_f32(a.high, b)};
}
inline Float8 divide(Float8 a, Float8 b) {
  return {vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)};
}
inline Float8 larger(Float8 a, Float8 b) {
  return {vmaxnmq_f32(a.low, b.low), vmaxnmq_f32(a.high, b.high)};
}
// sum + a * b and sum - a * b, rounded once.
inline Float8 fused_add(Float8 sum, Float8 a, Float8 b) {
  return {vfmaq_f32(sum.low, a.low, b.low), vfmaq_f32(sum.high, a.high, b.high)};
}
inline Float8 fused_add(Float8 sum, Float8 a, float b) {
  return {vfmaq_n_f32(sum.low, a.low, b), vfmaq_n_f32(sum.high, a.high, b)};
}
inline Float8 fused_subtract(Float8 sum, Float8 a, Float8 b) {
  return {vfmsq_f32(sum.low, a.low, b.low), vfmsq_f32(sum.high, a.high, b.high)};
}

inline Int8 no_sum() {
  return {vdupq_n_s32(0), vdupq_n_s32(0)};
}
inline Int8 add(Int8 a, Int8 b) {
  return {vaddq_s32(a.low, b.low), vaddq_s32(a.high, b.high)};
}
inline Int8 add_product(Int8 sum, Int8 a, Int8 b) {
  return {vmlaq_s32(sum.low, a.low, b.low), vmlaq_s32(sum.high, a.high, b.high)};
}
inline Int8 add_product(Int8 sum, Int8 a, int32_t b) {
  return {vmlaq_n_s32(sum.low, a.low, b), vmlaq_n_s32(sum.high, a.high, b)};
}
inline Float8 to_floats(Int8 v) {
  return {vcvtq_f32_s32(v.low), vcvtq_f32_s32(v.high)};
}

inline float sum_lanes(Float8 v) {
  float32x4_t sum = vaddq_f32(v.low, v.high);
  sum = vaddq_f32(sum, vextq_f32(sum, sum, 2));
  return vgetq_lane_f32(sum, 0) + vgetq_lane_f32(sum, 1);
}
inline float max_lanes(Float8 v) {
  return vmaxnmvq_f32(vmaxnmq_f32(v.low, v.high));
}

// e^x with a relative error below 3e-7 for -87 <= x <= 88; 0 below (minus infinity included), and
// no more than e^88 above. x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series to r^7
// (the rest is below 6e-9), 2^n by the exponent's bits.
inline float32x4_t exp4(float32x4_t x) {
  const float32x4_t lowest = vdupq_n_f32(-87.0f);
  const uint32x4_t inside = vcgeq_f32(x, lowest);
  const float32x4_t clamped = vminnmq_f32(vmaxnmq_f32(x, lowest), vdupq_n_f32(88.0f));
  const float32x4_t n = vrndnq_f32(vmulq_n_f32(clamped, 1.44269504088896341f));
  // ln 2 in two parts: the first has few enough bits that n times it is exact.
  float32x4_t r = vfmsq_n_f32(clamped, n, 0.693359375f);
  r = vfmsq_n_f32(r, n, -2.12194440054690583e-4f);
  float32x4_t p = vdupq_n_f32(1.0f / 5040);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 720), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 120), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 24), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 6), p, r);
  p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
  const int32x4_t scaled = vaddq_s32(vreinterpretq_s32_f32(p), exponent);
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_s32(scaled), inside));
}
inline Float8 exp8(Float8 x) {
  return {exp4(x.low), exp4(x.high)};
}

}  // namespace
}  // namespace weft::kernels

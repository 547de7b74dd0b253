// What the NEON files share: vectors of 8 lanes, as a panel has rows, made of two registers. The
// names of Float8 and Codes mean what they mean in simd_avx2.h, to the bit; simd_float8.h has what
// builds on them. Everything is local to the file that includes it: see kernel_table.h.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace weft::kernels {
namespace {

struct Float8 {
  float32x4_t low, high;
};
struct Int8 {  // 8 lanes of int32
  int32x4_t low, high;
};
struct Codes {  // 8 lanes of 4 bytes, or 32 of int8
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
// A BF16 is the upper half of a float.
inline Float8 load_bfloats(const uint8_t* from) {
  const uint16x8_t halves = vld1q_u16(reinterpret_cast<const uint16_t*>(from));
  return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16)),
          vreinterpretq_f32_u32(vshll_high_n_u16(halves, 16))};
}
inline Float8 load_codes8(const uint8_t* codes) {
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(vld1_u8(codes)));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))};
}
// Half of 8 scales of MXFP4: see simd_avx2.h.
inline float32x4_t half_powers(uint32x4_t words) {
  const uint32x4_t neither = vandq_u32(vaddq_u32(words, vdupq_n_u32(1)), vdupq_n_u32(0xfe));
  const uint32x4_t odd = vandq_u32(vceqzq_u32(neither), vdupq_n_u32(1 << 22));
  const uint32x4_t bits = vorrq_u32(vshlq_n_u32(words, 23), odd);
  return vmulq_n_f32(vreinterpretq_f32_u32(bits), 0.5f);
}
inline Float8 load_half_powers(const uint8_t* from) {
  const uint16x8_t wide = vmovl_u8(vld1_u8(from));
  return {half_powers(vmovl_u16(vget_low_u16(wide))), half_powers(vmovl_high_u16(wide))};
}
inline void store8(float* to, Float8 v) {
  vst1q_f32(to, v.low);
  vst1q_f32(to + 4, v.high);
}
inline Codes load_codes(const uint8_t* from) {
  return {vld1q_u8(from), vld1q_u8(from + 16)};
}
inline float from_half(uint16_t half) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}
inline uint16_t to_half(float value) {
  return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(value))), 0);
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
inline Float8 smaller(Float8 a, Float8 b) {
  return {vminnmq_f32(a.low, b.low), vminnmq_f32(a.high, b.high)};
}
inline Float8 magnitude(Float8 v) {
  return {vabsq_f32(v.low), vabsq_f32(v.high)};
}
inline Float8 nearest_integer(Float8 v) {
  return {vrndnq_f32(v.low), vrndnq_f32(v.high)};
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
inline Float8 fused_subtract(Float8 sum, Float8 a, float b) {
  return {vfmsq_n_f32(sum.low, a.low, b), vfmsq_n_f32(sum.high, a.high, b)};
}
// v * 2^n for integers n; no number of either may be too large or small for a float.
inline float32x4_t times_power_of_2(float32x4_t v, float32x4_t n) {
  const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(v), exponent));
}
inline Float8 times_power_of_2(Float8 v, Float8 n) {
  return {times_power_of_2(v.low, n.low), times_power_of_2(v.high, n.high)};
}

// v where x >= least, else 0.
inline float32x4_t where_at_least(float32x4_t x, float32x4_t least, float32x4_t v) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), vcgeq_f32(x, least)));
}
inline Float8 where_at_least(Float8 x, Float8 least, Float8 v) {
  return {where_at_least(x.low, least.low, v.low), where_at_least(x.high, least.high, v.high)};
}
// The first `count` lanes of v (none if negative), and `other` in the rest.
inline float32x4_t first_lanes(float32x4_t v, int32_t count, float32x4_t other) {
  const int32x4_t lanes = {0, 1, 2, 3};
  return vbslq_f32(vcltq_s32(lanes, vdupq_n_s32(count)), v, other);
}
inline Float8 first_lanes(Float8 v, int32_t count, Float8 other) {
  return {first_lanes(v.low, count, other.low), first_lanes(v.high, count - 4, other.high)};
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

// Lanes added in one fixed order.
inline float sum_lanes(Float8 v) {
  float32x4_t sum = vaddq_f32(v.low, v.high);
  sum = vaddq_f32(sum, vextq_f32(sum, sum, 2));
  return vgetq_lane_f32(sum, 0) + vgetq_lane_f32(sum, 1);
}
inline float max_lanes(Float8 v) {
  return vmaxnmvq_f32(vmaxnmq_f32(v.low, v.high));
}

// Lane i is combine() over the lanes of v[i], in the order of sum_lanes.
template <class Combine>
inline Float8 fold_rows(const Float8 (&v)[8], Combine combine) {
  Float8 fours[4];  // of v[i] and of v[i + 4]
  for (int i = 0; i < 4; ++i) {
    fours[i] = combine(Float8{v[i].low, v[i + 4].low}, Float8{v[i].high, v[i + 4].high});
  }
  const auto twos = [&](const Float8& a, const Float8& b) {
    return combine(Float8{vzip1q_f32(a.low, b.low), vzip1q_f32(a.high, b.high)},
                   Float8{vzip2q_f32(a.low, b.low), vzip2q_f32(a.high, b.high)});
  };
  const Float8 first = twos(fours[0], fours[1]), second = twos(fours[2], fours[3]);
  const auto halves = [](float32x2_t a, float32x2_t b) { return vcombine_f32(a, b); };
  return combine(Float8{halves(vget_low_f32(first.low), vget_low_f32(second.low)),
                        halves(vget_low_f32(first.high), vget_low_f32(second.high))},
                 Float8{halves(vget_high_f32(first.low), vget_high_f32(second.low)),
                        halves(vget_high_f32(first.high), vget_high_f32(second.high))});
}

// Rotates four neighbouring pairs.
inline void rotate_pairs4(float* pairs, const float* cosines, const float* sines) {
  const float32x4x2_t v = vld2q_f32(pairs);
  const float32x4_t c = vld1q_f32(cosines);
  const float32x4_t s = vld1q_f32(sines);
  const float32x4_t first = vsubq_f32(vmulq_f32(v.val[0], c), vmulq_f32(v.val[1], s));
  const float32x4_t second = vaddq_f32(vmulq_f32(v.val[1], c), vmulq_f32(v.val[0], s));
  vst2q_f32(pairs, (float32x4x2_t{{first, second}}));
}

// The nearest integers of 16 values times `scale`, which gives -127 to 127.
inline uint8x16_t to_codes16(const float* x, float scale) {
  int16x8_t words[2];
  for (int i = 0; i < 2; ++i) {
    const Float8 v = multiply(load8(x + 8 * i), scale);
    words[i] = vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(v.low)), vqmovn_s32(vcvtnq_s32_f32(v.high)));
  }
  return vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(words[0]), vqmovn_s16(words[1])));
}
// The same of 32.
inline Codes to_codes(const float* x, float scale) {
  return {to_codes16(x, scale), to_codes16(x + 16, scale)};
}
inline void store_codes(int8_t* to, Codes codes) {
  vst1q_s8(to, vreinterpretq_s8_u8(codes.low));
  vst1q_s8(to + 16, vreinterpretq_s8_u8(codes.high));
}
// Sums of the first and of the last 16.
inline void sum_codes(Codes codes, int32_t* low, int32_t* high) {
  *low = vaddlvq_s8(vreinterpretq_s8_u8(codes.low));
  *high = vaddlvq_s8(vreinterpretq_s8_u8(codes.high));
}

}  // namespace
}  // namespace weft::kernels

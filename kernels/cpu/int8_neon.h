// Products of bytes, in the three ways of aarch64. Each way multiplies 8 columns of a panel (two
// groups of 8 rows x 4 bytes) by 8 codes of kRows rows of x, and adds to a Sum. What a Sum can hold
// before it must be finished: 32 columns of codes up to 31, 16 columns of codes up to 63, and
// kWideColumns of codes of the whole range of int8; |x| <= 127.
//
// Everything is local to the file that includes it: see kernel_table.h.
#pragma once

#include "kernels/cpu/simd_neon.h"

namespace weft::kernels {
namespace {

inline int8x16_t as_signed(uint8x16_t codes) {
  return vreinterpretq_s8_u8(codes);
}

// Any processor. Products are summed in 16 bits, 4 columns of a row apart from one another:
// 8 * 31 * 127 = 31496, 4 * 63 * 127 = 32004, 2 * 128 * 127 = 32512.
struct PlainBytes {
  static constexpr int kRows = 1;
  static constexpr int kWideColumns = 8;
  struct Weights {
    Codes first, second;
  };
  struct Sum {
    int16x8_t pairs[4];  // rows 0 and 1, 2 and 3, ...
  };

  static inline Weights weights(Codes first, Codes second) { return {first, second}; }
  static inline void clear(Sum& sum) {
    for (int i = 0; i < 4; ++i) sum.pairs[i] = vdupq_n_s16(0);
  }
  static inline void add_group(Sum& sum, Codes group, int8x16_t x) {
    const int8x16_t low = as_signed(group.low);
    const int8x16_t high = as_signed(group.high);
    sum.pairs[0] = vmlal_s8(sum.pairs[0], vget_low_s8(low), vget_low_s8(x));
    sum.pairs[1] = vmlal_high_s8(sum.pairs[1], low, x);
    sum.pairs[2] = vmlal_s8(sum.pairs[2], vget_low_s8(high), vget_low_s8(x));
    sum.pairs[3] = vmlal_high_s8(sum.pairs[3], high, x);
  }
  static inline void add(Sum& sum, const Weights& w, const int8_t* x, const int8_t*) {
    const int32x2_t groups = vreinterpret_s32_s8(vld1_s8(x));
    add_group(sum, w.first, vreinterpretq_s8_s32(vdupq_lane_s32(groups, 0)));
    add_group(sum, w.second, vreinterpretq_s8_s32(vdupq_lane_s32(groups, 1)));
  }
  static inline void finish(const Sum& sum, Int8* results) {
    int32x4_t halves[4];
    for (int i = 0; i < 4; ++i) halves[i] = vpaddlq_s16(sum.pairs[i]);
    results[0] = {vpaddq_s32(halves[0], halves[1]), vpaddq_s32(halves[2], halves[3])};
  }
};

#if defined(__ARM_FEATURE_DOTPROD)
// A lane of 32 bits takes the four products of its row.
struct DotProducts {
  static constexpr int kRows = 1;
  static constexpr int kWideColumns = 32;
  struct Weights {
    Codes first, second;
  };
  using Sum = Int8;

  static inline Weights weights(Codes first, Codes second) { return {first, second}; }
  static inline void clear(Sum& sum) { sum = no_sum(); }
  static inline void add(Sum& sum, const Weights& w, const int8_t* x, const int8_t*) {
    const int8x8_t codes = vld1_s8(x);
    sum.low = vdotq_lane_s32(sum.low, as_signed(w.first.low), codes, 0);
    sum.high = vdotq_lane_s32(sum.high, as_signed(w.first.high), codes, 0);
    sum.low = vdotq_lane_s32(sum.low, as_signed(w.second.low), codes, 1);
    sum.high = vdotq_lane_s32(sum.high, as_signed(w.second.high), codes, 1);
  }
  static inline void finish(const Sum& sum, Int8* results) { results[0] = sum; }
};
#endif  // defined(__ARM_FEATURE_DOTPROD)

#if defined(__ARM_FEATURE_MATMUL_INT8)
// Two rows of the panel by two rows of x at once, 8 columns each.
struct MatrixProducts {
  static constexpr int kRows = 2;
  static constexpr int kWideColumns = 32;
  struct Weights {
    int8x16_t pairs[4];  // of rows 0 and 1, 2 and 3, ...: 8 columns of one, 8 of the other
  };
  struct Sum {
    int32x4_t pairs[4];  // row 0 by first x, by second x, row 1 by first x, by second x
  };

  static inline int8x16_t zip_low(uint8x16_t first, uint8x16_t second) {
    return vreinterpretq_s8_u32(
        vzip1q_u32(vreinterpretq_u32_u8(first), vreinterpretq_u32_u8(second)));
  }
  static inline int8x16_t zip_high(uint8x16_t first, uint8x16_t second) {
    return vreinterpretq_s8_u32(
        vzip2q_u32(vreinterpretq_u32_u8(first), vreinterpretq_u32_u8(second)));
  }
  static inline Weights weights(Codes first, Codes second) {
    return {{zip_low(first.low, second.low), zip_high(first.low, second.low),
             zip_low(first.high, second.high), zip_high(first.high, second.high)}};
  }
  static inline void clear(Sum& sum) {
    for (int i = 0; i < 4; ++i) sum.pairs[i] = vdupq_n_s32(0);
  }
  static inline void add(Sum& sum, const Weights& w, const int8_t* x, const int8_t* second_x) {
    const int8x16_t both = vcombine_s8(vld1_s8(x), vld1_s8(second_x));
    for (int i = 0; i < 4; ++i) sum.pairs[i] = vmmlaq_s32(sum.pairs[i], w.pairs[i], both);
  }
  static inline void finish(const Sum& sum, Int8* results) {
    results[0] = {vuzp1q_s32(sum.pairs[0], sum.pairs[1]), vuzp1q_s32(sum.pairs[2], sum.pairs[3])};
    results[1] = {vuzp2q_s32(sum.pairs[0], sum.pairs[1]), vuzp2q_s32(sum.pairs[2], sum.pairs[3])};
  }
};
#endif  // defined(__ARM_FEATURE_MATMUL_INT8)

}  // namespace
}  // namespace weft::kernels

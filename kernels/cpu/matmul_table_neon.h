// IQ4_NL, IQ4_XS and MXFP4 panels, whose nibbles name values of a table, times int8 activations: as
// in matmul_neon.h.
//
// Everything is local to the file that includes it: see kernel_table.h.
#pragma once

#include "kernels/cpu/matmul_neon.h"
#include "model/codebooks.h"

namespace weft::kernels {
namespace {

inline Codes look_up(int8x16_t table, Codes nibbles) {
  return {vreinterpretq_u8_s8(vqtbl1q_s8(table, nibbles.low)),
          vreinterpretq_u8_s8(vqtbl1q_s8(table, nibbles.high))};
}

// Adds 32 columns from `column` on, whose nibbles name values of a table, to sums[R]. A Sum takes
// kWide of them.
template <int kWide, class Sums>
inline void add_named(const uint8_t* packed, int8x16_t table, uint32_t b, int column,
                      Sums& products, Int8* sums) {
  products.clear();
#pragma GCC unroll 2
  for (int j = 0; j < 4; j += 2) {
    const Codes both[2] = {load_codes(packed + 32 * j), load_codes(packed + 32 * j + 32)};
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      Codes codes[2];
      for (int i = 0; i < 2; ++i) {
        codes[i] = look_up(table, half == 0 ? low_nibbles(both[i]) : high_nibbles(both[i]));
      }
      products.add(b, column + 4 * j + 16 * half, codes[0], codes[1]);
      if (8 * (j + half + 1) % kWide != 0) continue;
      products.add_to(sums);
      products.clear();
    }
  }
}

template <class Bytes>
struct NeonIq4Nl : NeonBlock<Bytes, IQ4_NL> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               Products<Bytes, ActivationBlock32, R>& products, Float8* totals) {
    Int8 sums[R];
    for (int r = 0; r < R; ++r) sums[r] = no_sum();
    add_named<Bytes::kWideColumns>(block + kSmallCodesAt, vld1q_s8(model::kIq4Values), b, 0,
                                   products, sums);
    const Float8 d = load_halves(block);
    for (int r = 0; r < R; ++r) {
      const Float8 scale = multiply(d, products.x[r][b].scale);
      totals[r] = fused_add(totals[r], to_floats(sums[r]), scale);
    }
  }
};

// Twice the values are 12 at most.
template <class Bytes>
struct NeonMxfp4 : NeonBlock<Bytes, MXFP4> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               Products<Bytes, ActivationBlock32, R>& products, Float8* totals) {
    Int8 sums[R];
    for (int r = 0; r < R; ++r) sums[r] = no_sum();
    add_named<32>(block + kMxCodesAt, vld1q_s8(model::kFp4Doubled), b, 0, products, sums);
    const Float8 d = load_half_powers(block);
    for (int r = 0; r < R; ++r) {
      const Float8 scale = multiply(d, products.x[r][b].scale);
      totals[r] = fused_add(totals[r], to_floats(sums[r]), scale);
    }
  }
};

// Words of four scales, an int8 each: those of `low` >> shift, with what `first` and `second` hold
// of the bits above.
inline uint8x16_t xs_scales(uint8x16_t low, uint32x4_t first, uint32x4_t second) {
  const uint32x4_t high = vorrq_u32(vandq_u32(first, vdupq_n_u32(0x00003030)),
                                    vandq_u32(second, vdupq_n_u32(0x30300000)));
  return vsubq_u8(vorrq_u8(low, vreinterpretq_u8_u32(high)), vdupq_n_u8(32));
}
inline void read_xs_scales(const uint8_t* block, Int8* out) {
  const Codes words = load_codes(block + kXsScalesAt);
  const Codes low = low_nibbles(words), upper = high_nibbles(words);
  const uint16x8_t halves = vld1q_u16(reinterpret_cast<const uint16_t*>(block + kXsHighAt));
  const uint32x4_t a = vmulq_n_u32(vmovl_u16(vget_low_u16(halves)), 0x00010001);
  const uint32x4_t b = vmulq_n_u32(vmovl_high_u16(halves), 0x00010001);
  const Codes scales[2] = {
      {xs_scales(low.low, a, vshlq_n_u32(a, 2)), xs_scales(low.high, b, vshlq_n_u32(b, 2))},
      {xs_scales(upper.low, vshrq_n_u32(a, 2), vshlq_n_u32(a, 4)),
       xs_scales(upper.high, vshrq_n_u32(b, 2), vshlq_n_u32(b, 4))}};
#pragma GCC unroll 8
  for (int s = 0; s < 8; ++s) out[s] = signed_byte_of(scales[s / 4], s % 4);
}

template <class Bytes>
struct NeonIq4Xs : NeonBlock<Bytes, IQ4_XS> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               Products<Bytes, ActivationBlock256, R>& products, Float8* totals) {
    Int8 scales[8];
    read_xs_scales(block, scales);
    const int8x16_t table = vld1q_s8(model::kIq4Values);
    Int8 sums[R];
    for (int r = 0; r < R; ++r) sums[r] = no_sum();
    for (int s = 0; s < 8; ++s) {
      Int8 part[R];
      for (int r = 0; r < R; ++r) part[r] = no_sum();
      add_named<Bytes::kWideColumns>(block + kXsNibblesAt + 128 * s, table, b, 32 * s, products,
                                     part);
      for (int r = 0; r < R; ++r) sums[r] = add_product(sums[r], part[r], scales[s]);
    }
    const Float8 d = load_halves(block);
    for (int r = 0; r < R; ++r) {
      const Float8 scale = multiply(d, products.x[r][b].scale);
      totals[r] = fused_add(totals[r], to_floats(sums[r]), scale);
    }
  }
};

template <class One, class More>
void set_table_products(KernelTable& table) {
  table.matmul_iq4_nl = block_product<NeonIq4Nl<One>, NeonIq4Nl<More>>;
  table.matmul_iq4_xs = block_product<NeonIq4Xs<One>, NeonIq4Xs<More>>;
  table.matmul_mxfp4 = block_product<NeonMxfp4<One>, NeonMxfp4<More>>;
}

}  // namespace
}  // namespace weft::kernels

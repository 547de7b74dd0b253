// Q4_0 to Q8_0 and Q4_K to Q6_K panels times int8 activations, over one of the ways to multiply
// bytes of int8_neon.h. Codes times activations, times the sub-block's integer scale, are summed
// exactly over a block and only then turned into floats (matmul_blocks.h): so all ways give the
// same bits.
//
// Everything is local to the file that includes it: see kernel_table.h.
#pragma once

#include "kernels/cpu/int8_neon.h"
#include "kernels/cpu/matmul_blocks.h"

namespace weft::kernels {
namespace {

// The sums of code products of a tile's R rows of x. With two rows at once and an odd R, the last
// row is multiplied twice and taken once.
template <class Bytes, class Block, int R>
struct Products {
  static constexpr int kUnits = (R + Bytes::kRows - 1) / Bytes::kRows;
  const Block* x[kUnits * Bytes::kRows];
  typename Bytes::Sum sums[kUnits];

  explicit Products(const MatmulTile& tile) {
    for (int r = 0; r < kUnits * Bytes::kRows; ++r) {
      const int row = r < R ? r : R - 1;
      x[r] = reinterpret_cast<const Block*>(tile.x + uint64_t(row) * tile.x_stride);
    }
  }
  inline void clear() {
    for (int u = 0; u < kUnits; ++u) Bytes::clear(sums[u]);
  }
  // Adds groups of columns [column, column + 4) and [column + 4, column + 8) of block b.
  inline void add(uint32_t b, int column, Codes first, Codes second) {
    const typename Bytes::Weights w = Bytes::weights(first, second);
    for (int u = 0; u < kUnits; ++u) {
      const int last = (u + 1) * Bytes::kRows - 1;
      Bytes::add(sums[u], w, x[u * Bytes::kRows][b].codes + column, x[last][b].codes + column);
    }
  }
  // totals[r] += scale * the sums of row r.
  inline void add_scaled(Int8 scale, Int8* totals) const {
    Int8 finished[kUnits * Bytes::kRows];
    finish(finished);
    for (int r = 0; r < R; ++r) totals[r] = add_product(totals[r], finished[r], scale);
  }
  // totals[r] += the sums of row r.
  inline void add_to(Int8* totals) const {
    Int8 finished[kUnits * Bytes::kRows];
    finish(finished);
    for (int r = 0; r < R; ++r) totals[r] = kernels::add(totals[r], finished[r]);
  }
  // results: [R + 1]
  inline void finish(Int8* results) const {
    for (int u = 0; u < kUnits; ++u) Bytes::finish(sums[u], results + u * Bytes::kRows);
  }
};

// What the kinds of block below share.
template <class Bytes, class Block>
struct NeonBlock : Block, OnePanel {
  template <int R>
  using Rows = Products<Bytes, typename Block::X, R>;
};

inline Codes low_nibbles(Codes both) {
  return {vandq_u8(both.low, vdupq_n_u8(15)), vandq_u8(both.high, vdupq_n_u8(15))};
}
inline Codes high_nibbles(Codes both) {
  return {vshrq_n_u8(both.low, 4), vshrq_n_u8(both.high, 4)};
}

// Bits of `high`, moved left by `shift` (right where it is negative) and masked, above the codes.
inline Codes with_high_bits(Codes codes, Codes high, int shift, uint8_t mask) {
  const int8x16_t shifts = vdupq_n_s8(int8_t(shift));
  const uint8x16_t masks = vdupq_n_u8(mask);
  return {vorrq_u8(codes.low, vandq_u8(vshlq_u8(high.low, shifts), masks)),
          vorrq_u8(codes.high, vandq_u8(vshlq_u8(high.high, shifts), masks))};
}

// Byte i of each lane's word.
inline Int8 byte_of(Codes words, int i) {
  const int32x4_t shift = vdupq_n_s32(-8 * i);
  const uint32x4_t mask = vdupq_n_u32(255);
  return {
      vreinterpretq_s32_u32(vandq_u32(vshlq_u32(vreinterpretq_u32_u8(words.low), shift), mask)),
      vreinterpretq_s32_u32(vandq_u32(vshlq_u32(vreinterpretq_u32_u8(words.high), shift), mask))};
}
inline Int8 signed_byte_of(Codes words, int i) {
  const int32x4_t shift = vdupq_n_s32(24 - 8 * i);
  return {vshrq_n_s32(vshlq_s32(vreinterpretq_s32_u8(words.low), shift), 24),
          vshrq_n_s32(vshlq_s32(vreinterpretq_s32_u8(words.high), shift), 24)};
}

template <class Bytes>
struct NeonQ80 : NeonBlock<Bytes, Q8_0> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               Products<Bytes, ActivationBlock32, R>& products, Float8* totals) {
    Int8 sums[R];
    for (int r = 0; r < R; ++r) sums[r] = no_sum();
#pragma GCC unroll 4
    for (int begin = 0; begin < 32; begin += Bytes::kWideColumns) {
      products.clear();
#pragma GCC unroll 4
      for (int column = begin; column < begin + Bytes::kWideColumns; column += 8) {
        const uint8_t* groups = block + kSmallCodesAt + 8 * column;
        products.add(b, column, load_codes(groups), load_codes(groups + 32));
      }
      products.add_to(sums);
    }
    const Float8 d = load_halves(block);
    for (int r = 0; r < R; ++r) {
      const Float8 scale = multiply(d, products.x[r][b].scale);
      totals[r] = fused_add(totals[r], to_floats(sums[r]), scale);
    }
  }
};

struct KScales {
  Int8 scales[8], mins[8];  // of each sub-block
};

inline uint8x16_t first_mins(uint8x16_t w0, uint8x16_t w1, uint8x16_t w2) {
  const uint8x16_t middle = vandq_u8(vshrq_n_u8(w1, 4), vdupq_n_u8(0x0c));
  const uint8x16_t high = vandq_u8(vshrq_n_u8(w2, 2), vdupq_n_u8(0x30));
  return vorrq_u8(vorrq_u8(vshrq_n_u8(w0, 6), middle), high);
}
inline Codes six_bits(Codes words) {
  return {vandq_u8(words.low, vdupq_n_u8(63)), vandq_u8(words.high, vdupq_n_u8(63))};
}

inline void read_k_scales(const uint8_t* block, KScales& out) {
  const Codes w0 = load_codes(block + kKScalesAt);
  const Codes w1 = load_codes(block + kKScalesAt + 32);
  const Codes w2 = load_codes(block + kKScalesAt + 64);
  const Codes scales[2] = {six_bits(w0), six_bits(w1)};
  const Codes mins[2] = {
      {first_mins(w0.low, w1.low, w2.low), first_mins(w0.high, w1.high, w2.high)}, six_bits(w2)};
#pragma GCC unroll 8
  for (int s = 0; s < 8; ++s) {
    out.scales[s] = byte_of(scales[s / 4], s % 4);
    out.mins[s] = byte_of(mins[s / 4], s % 4);
  }
}

// 32 columns of nibbles, or of those with their fifth bits: bit g of each byte of `high` belongs to
// group g.
template <bool kFifthBit, class Sums>
inline void add_k_sub_block(const uint8_t* packed, const uint8_t* high_bits, uint32_t b, int column,
                            Sums& products) {
  Codes high{};
  if (kFifthBit) high = load_codes(high_bits);
#pragma GCC unroll 2
  for (int j = 0; j < 4; j += 2) {
    const Codes both[2] = {load_codes(packed + 32 * j), load_codes(packed + 32 * j + 32)};
    Codes low[2], upper[2];
    for (int i = 0; i < 2; ++i) {
      low[i] = low_nibbles(both[i]);
      upper[i] = high_nibbles(both[i]);
      if (kFifthBit) {
        low[i] = with_high_bits(low[i], high, 4 - (j + i), 16);
        upper[i] = with_high_bits(upper[i], high, -(j + i), 16);
      }
    }
    products.add(b, column + 4 * j, low[0], low[1]);
    products.add(b, column + 4 * j + 16, upper[0], upper[1]);
  }
}

// Q4_0 to Q5_1.
template <class Bytes, class Block>
struct NeonNibbles : NeonBlock<Bytes, Block> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               Products<Bytes, ActivationBlock32, R>& products, Float8* totals) {
    products.clear();
    add_k_sub_block<Block::kFifthBit>(block + Block::kNibblesAt, block + Block::kFifthAt, b, 0,
                                      products);
    Int8 sums[R + 1];
    products.finish(sums);
    const Float8 d = load_halves(block);
    for (int r = 0; r < R; ++r) {
      const ActivationBlock32& x = products.x[r][b];
      if (Block::kOffsetBits > 0) {
        const int32x4_t offset = vdupq_n_s32(x.sum * (1 << Block::kOffsetBits));
        sums[r] = {vsubq_s32(sums[r].low, offset), vsubq_s32(sums[r].high, offset)};
      }
      totals[r] = fused_add(totals[r], to_floats(sums[r]), multiply(d, x.scale));
      if (Block::kHasMin) {
        const Float8 min = multiply(load_halves(block + Block::kMinAt), x.scale);
        totals[r] = fused_add(totals[r], min, float(x.sum));
      }
    }
  }
};

// Q4_K, or Q5_K with the fifth bit.
template <class Bytes, class Block, bool kFifthBit>
struct NeonK : NeonBlock<Bytes, Block> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               Products<Bytes, ActivationBlock256, R>& products, Float8* totals) {
    KScales k;
    read_k_scales(block, k);
    Int8 sums[R];
    for (int r = 0; r < R; ++r) sums[r] = no_sum();
    for (int s = 0; s < 8; ++s) {
      products.clear();
      add_k_sub_block<kFifthBit>(block + kKNibblesAt + 128 * s, block + kQ5HighAt + 32 * s, b,
                                 32 * s, products);
      products.add_scaled(k.scales[s], sums);
    }
    const Float8 d = load_halves(block);
    const Float8 dmin = load_halves(block + 16);
    for (int r = 0; r < R; ++r) {
      const ActivationBlock256& x = products.x[r][b];
      Int8 offset = no_sum();
      for (int s = 0; s < 8; ++s) offset = add_product(offset, k.mins[s], x.sums32[s]);
      totals[r] = fused_add(totals[r], to_floats(sums[r]), multiply(d, x.scale));
      totals[r] = fused_subtract(totals[r], to_floats(offset), multiply(dmin, x.scale));
    }
  }
};

// One sub-block of 32 columns of Q6_K: low nibbles are its first half, high nibbles its second, and
// each half has a scale of its own.
template <class Sums>
inline void add_q6_sub_block(const uint8_t* packed, const uint8_t* high_bits, const Int8* scales,
                             uint32_t b, int column, Sums& products, Int8* sums) {
  Codes both[4];
  for (int j = 0; j < 4; ++j) both[j] = load_codes(packed + 32 * j);
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const Codes high = load_codes(high_bits + 32 * half);
    Codes codes[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Codes nibbles = half == 0 ? low_nibbles(both[j]) : high_nibbles(both[j]);
      codes[j] = with_high_bits(nibbles, high, 4 - 2 * j, 0x30);
    }
    products.clear();
    products.add(b, column + 16 * half, codes[0], codes[1]);
    products.add(b, column + 16 * half + 8, codes[2], codes[3]);
    products.add_scaled(scales[half], sums);
  }
}

template <class Bytes>
struct NeonQ6K : NeonBlock<Bytes, Q6_K> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               Products<Bytes, ActivationBlock256, R>& products, Float8* totals) {
    Int8 scales[16];
    for (int word = 0; word < 4; ++word) {
      const Codes four = load_codes(block + kQ6ScalesAt + 32 * word);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) scales[4 * word + i] = signed_byte_of(four, i);
    }
    Int8 sums[R];
    for (int r = 0; r < R; ++r) sums[r] = no_sum();
    for (int s = 0; s < 8; ++s) {
      add_q6_sub_block(block + kQ6NibblesAt + 128 * s, block + kQ6HighAt + 64 * s, scales + 2 * s,
                       b, 32 * s, products, sums);
    }
    const Float8 d = load_halves(block);
    for (int r = 0; r < R; ++r) {
      const ActivationBlock256& x = products.x[r][b];
      // The stored codes are 32 more than the values.
      for (int s = 0; s < 16; ++s) sums[r] = add_product(sums[r], scales[s], -32 * x.sums16[s]);
      totals[r] = fused_add(totals[r], to_floats(sums[r]), multiply(d, x.scale));
    }
  }
};

// The table's products: one row of x by `One`, more by `More`.
template <class One, class More>
void set_products(KernelTable& table) {
  table.matmul_q8_0 = block_product<NeonQ80<One>, NeonQ80<More>>;
  table.matmul_q4_0 = block_product<NeonNibbles<One, Q4_0>, NeonNibbles<More, Q4_0>>;
  table.matmul_q4_1 = block_product<NeonNibbles<One, Q4_1>, NeonNibbles<More, Q4_1>>;
  table.matmul_q5_0 = block_product<NeonNibbles<One, Q5_0>, NeonNibbles<More, Q5_0>>;
  table.matmul_q5_1 = block_product<NeonNibbles<One, Q5_1>, NeonNibbles<More, Q5_1>>;
  table.matmul_q4_k = block_product<NeonK<One, Q4_K, false>, NeonK<More, Q4_K, false>>;
  table.matmul_q5_k = block_product<NeonK<One, Q5_K, true>, NeonK<More, Q5_K, true>>;
  table.matmul_q6_k = block_product<NeonQ6K<One>, NeonQ6K<More>>;
}

}  // namespace
}  // namespace weft::kernels

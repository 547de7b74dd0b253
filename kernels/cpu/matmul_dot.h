// Quantized panels times int8 activations for the sets of x86-64: one text for vectors of 256 and
// of 512 bits, with and without VNNI's dot products.
//
// A lane of every vector belongs to one output row. Codes times activations are summed as integers,
// exactly, in any order; the integers of a block become floats and are added block by block
// (matmul_blocks.h).
//
// V says what a set does:
//   kPanels, Floats, store(to, floats)   see matmul_blocks.h
//   Vec                     a vector; & | ^ work on its bits
//   zero(), bytes(b)        all bits 0, all bytes b
//   load(block, at)         the group of 4 columns at this byte of a panel block: a word each row
//   columns(x)              4 bytes of activations, the same for each row
//   shift_right(v, bits)    by 16 bits each; bits that cross into another byte are to be masked
//   align_bits(v, first)    bit `first` of each byte moved to bit 4; other bits are to be masked
//   dot(acc, codes, x)      acc plus codes (unsigned) times x, 4 columns a row
//   kDotColumns, kSumMax    columns that a dot adds to one sum of acc; the sum's bound before
//   scale(words, i)         byte i of each word in the shape that scaled wants; signed_scale too
//   scaled(sums, acc, s)    sums plus acc times s, in 32 bits
//   total(acc)              acc in 32 bits
//   pairs(words, i)         the bytes of pair i (of two) of each word as 16 bits, for add_pairs;
//                           signed_pairs too
//   add_pairs(s, p, x)      32-bit sums plus products of pairs of 16 bits
//   SignedCodes, signed_codes(v), signed_dot(acc, codes, x)   the same for int8 codes; acc is in 32
//                           bits, and too large by sum(x) << kSignedOffsetBits if that is not 0
//   add(a, b), subtract(a, b), shift_left(v, bits), splat(n)   of 32 bits each
//   halves(block, at), floats(v)   a half of each row, a 32-bit integer of each row, as floats
//   multiply(f, x), fused_add(sum, f, g), fused_subtract(sum, f, g)
//
// Everything is in an unnamed namespace: see kernel_table.h.
#pragma once

#include "kernels/cpu/matmul_blocks.h"

namespace weft::kernels {
namespace {

template <typename Block, int R>
struct DotRows {
  const Block* x[R];
  explicit DotRows(const MatmulTile& tile) {
    for (int r = 0; r < R; ++r) {
      x[r] = reinterpret_cast<const Block*>(tile.x + uint64_t(r) * tile.x_stride);
    }
  }
};

// What the kinds of block below share.
template <class V, class Block>
struct Dot : V, Block {
  template <int R>
  using Rows = DotRows<typename Block::X, R>;
};

// Groups of 16 columns: half of 32, as nibbles are packed.
constexpr int kHalf = 4;

// How many dots a sum of codes up to `code_max` can take.
template <typename V>
constexpr int dots_max(int code_max) {
  return int(V::kSumMax / (V::kDotColumns * code_max * 127));
}

// Low (0) or high (1) nibbles of group i.
template <typename V>
inline typename V::Vec nibbles(const uint8_t* block, int packed_at, int i, int half) {
  const typename V::Vec both = V::load(block, packed_at + 32 * i);
  return (half == 0 ? both : V::shift_right(both, 4)) & V::bytes(15);
}

// The products of 32 columns could pass the bound of one sum; those of each half cannot.
template <typename V, int kCodeMax>
constexpr bool kHalvesApart = dots_max<V>(kCodeMax) < 2 * kHalf;

// The products of 32 columns of x from `column` on. codes(i, half) are group i of each half. All go
// to `low`, or the second half's to `high` if they are apart.
template <typename V, int kCodeMax, int R, class Block, class Codes>
inline void dot_32(const Codes& codes, const DotRows<Block, R>& rows, uint32_t b, int column,
                   typename V::Vec* low, typename V::Vec* high) {
  static_assert(dots_max<V>(kCodeMax) >= kHalf);
  for (int r = 0; r < R; ++r) low[r] = high[r] = V::zero();
#pragma GCC unroll 4
  for (int i = 0; i < kHalf; ++i) {
    const typename V::Vec first = codes(i, 0);
    const typename V::Vec second = codes(i, 1);
    for (int r = 0; r < R; ++r) {
      const int8_t* x = rows.x[r][b].codes + column + 4 * i;
      typename V::Vec& other = kHalvesApart<V, kCodeMax> ? high[r] : low[r];
      low[r] = V::dot(low[r], first, V::columns(x));
      other = V::dot(other, second, V::columns(x + 16));
    }
  }
}

// The sums of a block of 256. Products are scaled into them before their own sum could pass its
// bound.
template <typename V, int R>
struct BlockSums {
  using Vec = typename V::Vec;
  Vec sums[R];
  BlockSums() {
    for (int r = 0; r < R; ++r) sums[r] = V::zero();
  }

  // Adds 32 columns from `column` on, under one scale. codes(i, half) are group i of each half.
  template <int kCodeMax, class Codes>
  inline void add_32(const Codes& codes, const DotRows<ActivationBlock256, R>& rows, uint32_t b,
                     int column, Vec scale) {
    Vec low[R], high[R];
    dot_32<V, kCodeMax, R>(codes, rows, b, column, low, high);
    for (int r = 0; r < R; ++r) {
      sums[r] = V::scaled(sums[r], low[r], scale);
      if (kHalvesApart<V, kCodeMax>) sums[r] = V::scaled(sums[r], high[r], scale);
    }
  }

  // Adds 16 columns from `column` on.
  template <int kCodeMax>
  inline void add_16(const Vec* codes, const DotRows<ActivationBlock256, R>& rows, uint32_t b,
                     int column, Vec scale) {
    constexpr int kRun = dots_max<V>(kCodeMax);
    static_assert(kRun >= 1);
    Vec acc[R];
    for (int r = 0; r < R; ++r) acc[r] = V::zero();
#pragma GCC unroll 4
    for (int i = 0; i < kHalf; ++i) {
      for (int r = 0; r < R; ++r) {
        const int8_t* x = rows.x[r][b].codes + column + 4 * i;
        acc[r] = V::dot(acc[r], codes[i], V::columns(x));
      }
      if ((i + 1) % kRun != 0 && i + 1 != kHalf) continue;
      for (int r = 0; r < R; ++r) {
        sums[r] = V::scaled(sums[r], acc[r], scale);
        acc[r] = V::zero();
      }
    }
  }
};

// The 8 scales and 8 mins of Q4_K and Q5_K.
template <typename V>
struct DotScales {
  typename V::Vec scales[8];
  typename V::Vec mins[4];  // pairs

  explicit DotScales(const uint8_t* block) {
    using Vec = typename V::Vec;
    const Vec six_bits = V::bytes(63);
    const Vec w0 = V::load(block, kKScalesAt);
    const Vec w1 = V::load(block, kKScalesAt + 32);
    const Vec w2 = V::load(block, kKScalesAt + 64);
    const Vec scale_words[2] = {w0 & six_bits, w1 & six_bits};
    const Vec min_words[2] = {(V::shift_right(w0, 6) & V::bytes(0x03)) |
                                  (V::shift_right(w1, 4) & V::bytes(0x0c)) |
                                  (V::shift_right(w2, 2) & V::bytes(0x30)),
                              w2 & six_bits};
    for (int s = 0; s < 8; ++s) scales[s] = V::scale(scale_words[s / 4], s % 4);
    for (int i = 0; i < 4; ++i) mins[i] = V::pairs(min_words[i / 2], i % 2);
  }
};

// Adds one block's part to the totals: its scaled sums, less the mins' part.
template <typename V, int R>
inline void add_k_block(const uint8_t* block, const DotScales<V>& k,
                        const BlockSums<V, R>& block_sums,
                        const DotRows<ActivationBlock256, R>& rows, uint32_t b,
                        typename V::Floats* totals) {
  const auto d = V::halves(block, 0);
  const auto dmin = V::halves(block, 16);
  for (int r = 0; r < R; ++r) {
    const ActivationBlock256& x = rows.x[r][b];
    typename V::Vec offsets = V::zero();
    for (int i = 0; i < 4; ++i) {
      offsets = V::add_pairs(offsets, k.mins[i], V::columns(x.sums32 + 2 * i));
    }
    const auto sum = V::floats(block_sums.sums[r]);
    totals[r] = V::fused_add(totals[r], sum, V::multiply(d, x.scale));
    totals[r] = V::fused_subtract(totals[r], V::floats(offsets), V::multiply(dmin, x.scale));
  }
}

template <typename V>
struct DotQ4K : Dot<V, Q4_K> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock256, R>& rows,
                               typename V::Floats* totals) {
    const DotScales<V> k(block);
    BlockSums<V, R> sums;
    for (int s = 0; s < 8; ++s) {
      const int packed = kKNibblesAt + 128 * s;
      const auto codes = [&](int i, int half) { return nibbles<V>(block, packed, i, half); };
      sums.template add_32<15>(codes, rows, b, 32 * s, k.scales[s]);
    }
    add_k_block<V, R>(block, k, sums, rows, b, totals);
  }
};

template <typename V>
struct DotQ5K : Dot<V, Q5_K> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock256, R>& rows,
                               typename V::Floats* totals) {
    using Vec = typename V::Vec;
    const DotScales<V> k(block);
    BlockSums<V, R> sums;
    for (int s = 0; s < 8; ++s) {
      const int packed = kKNibblesAt + 128 * s;
      // Bit g of a byte is the fifth bit of the byte's code in group g.
      const Vec fifth = V::load(block, kQ5HighAt + 32 * s);
      const auto codes = [&](int i, int half) {
        const Vec high = V::align_bits(fifth, i + 4 * half) & V::bytes(16);
        return nibbles<V>(block, packed, i, half) | high;
      };
      sums.template add_32<31>(codes, rows, b, 32 * s, k.scales[s]);
    }
    add_k_block<V, R>(block, k, sums, rows, b, totals);
  }
};

// 16 scales of a row, for 16 columns each: as factors, and as pairs for the sums of x.
template <typename V>
struct DotScales6 {
  typename V::Vec scales[16];
  typename V::Vec pairs[8];

  explicit DotScales6(const uint8_t* block) {
    for (int word = 0; word < 4; ++word) {
      const typename V::Vec four = V::load(block, kQ6ScalesAt + 32 * word);
      for (int i = 0; i < 4; ++i) scales[4 * word + i] = V::signed_scale(four, i);
      for (int i = 0; i < 2; ++i) pairs[2 * word + i] = V::signed_pairs(four, i);
    }
  }
};

template <typename V>
struct DotQ6K : Dot<V, Q6_K> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock256, R>& rows,
                               typename V::Floats* totals) {
    using Vec = typename V::Vec;
    const DotScales6<V> k(block);
    BlockSums<V, R> sums;
    for (int s = 0; s < 8; ++s) {
      for (int half = 0; half < 2; ++half) {
        // Bits 2g and 2g + 1 of a byte are the upper ones of its code in group g of this half.
        const Vec upper = V::load(block, kQ6HighAt + 64 * s + 32 * half);
        Vec codes[kHalf];
#pragma GCC unroll 4
        for (int i = 0; i < kHalf; ++i) {
          codes[i] = nibbles<V>(block, kQ6NibblesAt + 128 * s, i, half) |
                     (V::align_bits(upper, 2 * i) & V::bytes(0x30));
        }
        sums.template add_16<63>(codes, rows, b, 32 * s + 16 * half, k.scales[2 * s + half]);
      }
    }
    const auto d = V::halves(block, 0);
    for (int r = 0; r < R; ++r) {
      // The stored codes are 32 more than the values.
      const ActivationBlock256& x = rows.x[r][b];
      Vec offsets = V::zero();
      for (int i = 0; i < 8; ++i) {
        offsets = V::add_pairs(offsets, k.pairs[i], V::columns(x.sums16 + 2 * i));
      }
      const Vec sum = V::subtract(sums.sums[r], V::shift_left(offsets, 5));
      totals[r] = V::fused_add(totals[r], V::floats(sum), V::multiply(d, x.scale));
    }
  }
};

// Adds one block of 32: `sum` less what an offset of 1 << offset_bits in every code adds to it.
template <typename V>
inline typename V::Floats add_block_32(typename V::Floats totals, typename V::Floats d,
                                       const ActivationBlock32& x, typename V::Vec sum,
                                       int offset_bits) {
  if (offset_bits > 0) sum = V::subtract(sum, V::shift_left(V::splat(x.sum), offset_bits));
  return V::fused_add(totals, V::floats(sum), V::multiply(d, x.scale));
}

// The products of a block of 32, as integers of 32 bits. codes(i, half) are group i of each half.
template <typename V, int kCodeMax, int R, class Codes>
inline void sum_32(const Codes& codes, const DotRows<ActivationBlock32, R>& rows, uint32_t b,
                   typename V::Vec* sums) {
  using Vec = typename V::Vec;
  Vec low[R], high[R];
  dot_32<V, kCodeMax, R>(codes, rows, b, 0, low, high);
  for (int r = 0; r < R; ++r) {
    sums[r] = V::total(low[r]);
    if (kHalvesApart<V, kCodeMax>) sums[r] = V::add(sums[r], V::total(high[r]));
  }
}

// Q4_0 to Q5_1.
template <typename V, class Block>
struct DotNibbles : Dot<V, Block> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock32, R>& rows,
                               typename V::Floats* totals) {
    using Vec = typename V::Vec;
    Vec fifth = V::zero();
    if (Block::kFifthBit) fifth = V::load(block, Block::kFifthAt);
    const auto codes = [&](int i, int half) {
      const Vec four = nibbles<V>(block, Block::kNibblesAt, i, half);
      if (!Block::kFifthBit) return four;
      return four | (V::align_bits(fifth, i + 4 * half) & V::bytes(16));
    };
    Vec sums[R];
    sum_32<V, Block::kCodeMax, R>(codes, rows, b, sums);
    const auto d = V::halves(block, 0);
    for (int r = 0; r < R; ++r) {
      const ActivationBlock32& x = rows.x[r][b];
      totals[r] = add_block_32<V>(totals[r], d, x, sums[r], Block::kOffsetBits);
      if constexpr (Block::kHasMin) {
        const auto min = V::multiply(V::halves(block, Block::kMinAt), x.scale);
        totals[r] = V::fused_add(totals[r], V::floats(V::splat(x.sum)), min);
      }
    }
  }
};

template <typename V>
struct DotQ80 : Dot<V, Q8_0> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock32, R>& rows,
                               typename V::Floats* totals) {
    typename V::Vec acc[R];
    for (int r = 0; r < R; ++r) acc[r] = V::zero();
#pragma GCC unroll 8
    for (int i = 0; i < 2 * kHalf; ++i) {
      const typename V::SignedCodes codes =
          V::signed_codes(V::load(block, kSmallCodesAt + 32 * i));
      for (int r = 0; r < R; ++r) {
        const int8_t* x = rows.x[r][b].codes + 4 * i;
        acc[r] = V::signed_dot(acc[r], codes, V::columns(x));
      }
    }
    const auto d = V::halves(block, 0);
    for (int r = 0; r < R; ++r) {
      totals[r] = add_block_32<V>(totals[r], d, rows.x[r][b], acc[r], V::kSignedOffsetBits);
    }
  }
};

template <typename V>
void set_dot_products(KernelTable& table) {
  table.matmul_q4_k = block_product<DotQ4K<V>>;
  table.matmul_q5_k = block_product<DotQ5K<V>>;
  table.matmul_q6_k = block_product<DotQ6K<V>>;
  table.matmul_q4_0 = block_product<DotNibbles<V, Q4_0>>;
  table.matmul_q4_1 = block_product<DotNibbles<V, Q4_1>>;
  table.matmul_q5_0 = block_product<DotNibbles<V, Q5_0>>;
  table.matmul_q5_1 = block_product<DotNibbles<V, Q5_1>>;
  table.matmul_q8_0 = block_product<DotQ80<V>>;
}

}  // namespace
}  // namespace weft::kernels

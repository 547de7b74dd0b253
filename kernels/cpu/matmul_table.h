// Products of panels whose nibbles name values of a table (IQ4_NL, IQ4_XS, MXFP4), for the sets of
// x86-64: as in matmul_dot.h, whose V has these besides:
//   table(entries)             16 bytes that look_up(table, nibbles) takes for 0 to 15
//   table_codes(table, nibbles)  signed_codes of what is looked up
//   doubled(block, at)         16 bits of each row, in both halves of its word
//   signed_scaled(acc, codes, x, s)  acc plus a signed_dot times s; where kDotColumns is 2
//   subtract_bytes(a, b)
//   half_powers(block, at)     half of 2 to the power of each row's byte, E8M0
//
// Everything is in an unnamed namespace: see kernel_table.h.
#pragma once

#include "kernels/cpu/matmul_dot.h"
#include "model/codebooks.h"

namespace weft::kernels {
namespace {

// MXFP4's values, doubled, and 16 more than that: no code is negative.
struct Fp4Codes {
  static constexpr int kOffsetBits = 4;
  static constexpr int kMax = 12 + (1 << kOffsetBits);
  int8_t codes[16];
};
constexpr Fp4Codes make_fp4_codes() {
  Fp4Codes made{};
  for (int i = 0; i < 16; ++i) {
    made.codes[i] = int8_t(model::kFp4Doubled[i] + (1 << Fp4Codes::kOffsetBits));
  }
  return made;
}
constexpr Fp4Codes kFp4Codes = make_fp4_codes();

template <typename V>
struct DotMxfp4 : Dot<V, MXFP4> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock32, R>& rows,
                               typename V::Floats* totals) {
    const auto table = V::table(kFp4Codes.codes);
    const auto codes = [&](int i, int half) {
      return V::look_up(table, nibbles<V>(block, kMxCodesAt, i, half));
    };
    typename V::Vec sums[R];
    sum_32<V, Fp4Codes::kMax, R>(codes, rows, b, sums);
    const auto d = V::half_powers(block, 0);
    for (int r = 0; r < R; ++r) {
      totals[r] = add_block_32<V>(totals[r], d, rows.x[r][b], sums[r], Fp4Codes::kOffsetBits);
    }
  }
};

// 32 columns from `column` on, whose codes name IQ4's values; add(acc, codes, x) multiplies them.
template <typename V, int R, class Block, class Add>
inline void add_iq4(const uint8_t* block, int packed_at, const DotRows<Block, R>& rows, uint32_t b,
                    int column, typename V::Vec* acc, const Add& add) {
  const auto table = V::table(model::kIq4Values);
#pragma GCC unroll 4
  for (int i = 0; i < kHalf; ++i) {
    const auto first = V::table_codes(table, nibbles<V>(block, packed_at, i, 0));
    const auto second = V::table_codes(table, nibbles<V>(block, packed_at, i, 1));
    for (int r = 0; r < R; ++r) {
      const int8_t* x = rows.x[r][b].codes + column + 4 * i;
      acc[r] = add(acc[r], first, V::columns(x));
      acc[r] = add(acc[r], second, V::columns(x + 16));
    }
  }
}

template <typename V>
struct DotIq4Nl : Dot<V, IQ4_NL> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock32, R>& rows,
                               typename V::Floats* totals) {
    typename V::Vec acc[R];
    for (int r = 0; r < R; ++r) acc[r] = V::zero();
    add_iq4<V, R>(block, kSmallCodesAt, rows, b, 0, acc, V::signed_dot);
    const auto d = V::halves(block, 0);
    for (int r = 0; r < R; ++r) {
      totals[r] = add_block_32<V>(totals[r], d, rows.x[r][b], acc[r], V::kSignedOffsetBits);
    }
  }
};

// The 8 scales of a row: an int8 each, four in a word, and as factors.
template <typename V>
struct DotScalesXs {
  typename V::Vec words[2];
  typename V::Vec scales[8];

  explicit DotScalesXs(const uint8_t* block) {
    using Vec = typename V::Vec;
    const Vec low = V::load(block, kXsScalesAt);
    const Vec high = V::doubled(block, kXsHighAt);
    const Vec lower = V::splat(0x00003030), upper = V::splat(0x30300000);
    const Vec first = (low & V::bytes(15)) | (high & lower) | (V::shift_left(high, 2) & upper);
    const Vec second = (V::shift_right(low, 4) & V::bytes(15)) |
                       (V::shift_right(high, 2) & lower) | (V::shift_left(high, 4) & upper);
    words[0] = V::subtract_bytes(first, V::bytes(32));
    words[1] = V::subtract_bytes(second, V::bytes(32));
    for (int s = 0; s < 8; ++s) scales[s] = V::signed_scale(words[s / 4], s % 4);
  }
};

template <typename V>
struct DotIq4Xs : Dot<V, IQ4_XS> {
  template <int R>
  static inline void add_block(const uint8_t* block, uint32_t b,
                               const DotRows<ActivationBlock256, R>& rows,
                               typename V::Floats* totals) {
    using Vec = typename V::Vec;
    const DotScalesXs<V> k(block);
    Vec sums[R];
    for (int r = 0; r < R; ++r) sums[r] = V::zero();
    for (int s = 0; s < 8; ++s) {
      const int packed = kXsNibblesAt + 128 * s;
      const Vec scale = k.scales[s];
      if constexpr (V::kDotColumns == 2) {
        // A multiplication widens each product of pairs anyway: here that by the scale.
        add_iq4<V, R>(block, packed, rows, b, 32 * s, sums,
                      [&](Vec sum, const auto& codes, Vec x) {
                        return V::signed_scaled(sum, codes, x, scale);
                      });
      } else {
        Vec acc[R];
        for (int r = 0; r < R; ++r) acc[r] = V::zero();
        add_iq4<V, R>(block, packed, rows, b, 32 * s, acc, V::signed_dot);
        for (int r = 0; r < R; ++r) sums[r] = V::scaled(sums[r], acc[r], scale);
      }
    }
    const auto d = V::halves(block, 0);
    for (int r = 0; r < R; ++r) {
      const ActivationBlock256& x = rows.x[r][b];
      Vec offsets = V::zero();
      for (int i = 0; i < 4 && V::kSignedOffsetBits > 0; ++i) {
        const Vec pairs = V::signed_pairs(k.words[i / 2], i % 2);
        offsets = V::add_pairs(offsets, pairs, V::columns(x.sums32 + 2 * i));
      }
      const Vec sum = V::subtract(sums[r], V::shift_left(offsets, V::kSignedOffsetBits));
      totals[r] = V::fused_add(totals[r], V::floats(sum), V::multiply(d, x.scale));
    }
  }
};

template <typename V>
void set_table_products(KernelTable& table) {
  table.matmul_iq4_nl = block_product<DotIq4Nl<V>>;
  table.matmul_iq4_xs = block_product<DotIq4Xs<V>>;
  table.matmul_mxfp4 = block_product<DotMxfp4<V>>;
}

}  // namespace
}  // namespace weft::kernels

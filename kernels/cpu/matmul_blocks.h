// The products of quantized panels and int8 activations: what is the same whatever the vectors. A
// lane is one output row; blocks are added to its sum as floats, in order. So tiles of 1 to 4 rows
// of x give the same bits. Everything is local to the file that includes it: see kernel_table.h.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/simd_float8.h"

namespace weft::kernels {
namespace {

// The blocks of a panel (panel.h) and of x.
template <uint32_t kBlockBytes>
struct BlockOf32 {
  using X = ActivationBlock32;
  static constexpr uint32_t kColumns = 32, kBytes = kBlockBytes;
};
template <uint32_t kBlockBytes>
struct BlockOf256 {
  using X = ActivationBlock256;
  static constexpr uint32_t kColumns = 256, kBytes = kBlockBytes;
};
// Nibbles with an offset, or a minimum in its place; with a fifth bit or without.
template <bool kMin, bool kFifth>
struct NibblesOf32 : BlockOf32<nibbles_at(kMin, kFifth) + 128> {
  static constexpr bool kHasMin = kMin, kFifthBit = kFifth;
  static constexpr int kCodeMax = kFifth ? 31 : 15;
  static constexpr int kOffsetBits = kMin ? 0 : kFifth ? 4 : 3;
  static constexpr int kMinAt = 16, kFifthAt = fifth_bits_at(kMin);
  static constexpr int kNibblesAt = nibbles_at(kMin, kFifth);
};
using Q4_0 = NibblesOf32<false, false>;
using Q4_1 = NibblesOf32<true, false>;
using Q5_0 = NibblesOf32<false, true>;
using Q5_1 = NibblesOf32<true, true>;
using Q8_0 = BlockOf32<272>;
using Q4_K = BlockOf256<1152>;
using Q5_K = BlockOf256<1408>;
using Q6_K = BlockOf256<1680>;
using IQ4_NL = BlockOf32<144>;
using IQ4_XS = BlockOf256<1088>;
using MXFP4 = BlockOf32<136>;

// One panel at a time, a lane of a Float8 for each of its rows.
struct OnePanel {
  static constexpr uint32_t kPanels = 1;
  using Floats = Float8;
  static inline void store(float* to, Floats v) { store8(to, v); }
};

// One tile, by a `Kind` of block: one of the above, with
//   kPanels                             1, or 2: it takes twins
//   Floats, store(to, floats)           a float for each lane
//   Rows<R>                             made of the tile: how its R rows of x are read
//   add_block(block, b, rows, totals)   adds block b of the panel or twin to totals[R]
// Flat, so that the totals stay in registers from block to block.
template <class Kind, int R>
[[gnu::flatten]] void block_tile(const MatmulTile& tile) {
  typename Kind::template Rows<R> rows(tile);
  typename Kind::Floats totals[R] = {};
  const uint8_t* block = tile.panel;
  for (uint32_t b = 0; b < tile.cols / Kind::kColumns; ++b, block += Kind::kPanels * Kind::kBytes) {
    prefetch_ahead(block, Kind::kPanels * Kind::kBytes);
    Kind::add_block(block, b, rows, totals);
  }
  for (int r = 0; r < R; ++r) Kind::store(tile.out + uint64_t(r) * tile.out_stride, totals[r]);
}

// A table's product: one row of x by `One`, more by `More`.
template <class One, class More = One>
void block_product(const MatmulTile& tile, uint32_t x_rows) {
  if constexpr (One::kPanels == 2) {
    static constexpr void (*kTiles[kTwinTileRows])(const MatmulTile&) = {
        block_tile<One, 1>,  block_tile<More, 2>, block_tile<More, 3>, block_tile<More, 4>,
        block_tile<More, 5>, block_tile<More, 6>, block_tile<More, 7>, block_tile<More, 8>};
    kTiles[x_rows - 1](tile);
  } else {
    static constexpr void (*kTiles[kPanelTileRows])(const MatmulTile&) = {
        block_tile<One, 1>, block_tile<More, 2>, block_tile<More, 3>, block_tile<More, 4>};
    kTiles[x_rows - 1](tile);
  }
}

}  // namespace
}  // namespace weft::kernels

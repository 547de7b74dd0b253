// F32, F16 and BF16 panels times float activations. A lane is one output row. Even and odd columns
// have a sum each (two chains of FMA keep a single row of x from waiting on itself), added at the
// end: the same order for any number of rows.
#if defined(__x86_64__) || defined(__aarch64__)

#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/simd_float8.h"

namespace weft::kernels::float8 {
namespace {

template <typename Type, int R>
void tile_float(const MatmulTile& tile) {
  const float* x[R];
  Float8 even[R], odd[R];
  for (int r = 0; r < R; ++r) {
    x[r] = reinterpret_cast<const float*>(tile.x + uint64_t(r) * tile.x_stride);
    even[r] = odd[r] = splat(0);
  }
  const uint8_t* at = tile.panel;
  const uint32_t pairs = tile.cols / 2;
  for (uint32_t pair = 0; pair < pairs; ++pair, at += 2 * Type::kColumnBytes) {
    prefetch_ahead(at, 2 * Type::kColumnBytes);
    const Float8 first = Type::load(at);
    const Float8 second = Type::load(at + Type::kColumnBytes);
    for (int r = 0; r < R; ++r) {
      even[r] = fused_add(even[r], first, x[r][2 * pair]);
      odd[r] = fused_add(odd[r], second, x[r][2 * pair + 1]);
    }
  }
  if (tile.cols % 2 != 0) {
    const Float8 last = Type::load(at);
    for (int r = 0; r < R; ++r) even[r] = fused_add(even[r], last, x[r][2 * pairs]);
  }
  for (int r = 0; r < R; ++r) {
    store8(tile.out + uint64_t(r) * tile.out_stride, add(even[r], odd[r]));
  }
}

template <typename Type>
void matmul_float(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[kPanelTileRows])(const MatmulTile&) = {
      tile_float<Type, 1>, tile_float<Type, 2>, tile_float<Type, 3>, tile_float<Type, 4>};
  kTiles[x_rows - 1](tile);
}

}  // namespace

void matmul_f32(const MatmulTile& tile, uint32_t x_rows) {
  matmul_float<F32>(tile, x_rows);
}
void matmul_f16(const MatmulTile& tile, uint32_t x_rows) {
  matmul_float<F16>(tile, x_rows);
}
void matmul_bf16(const MatmulTile& tile, uint32_t x_rows) {
  matmul_float<BF16>(tile, x_rows);
}

}  // namespace weft::kernels::float8

#endif  // defined(__x86_64__) || defined(__aarch64__)

// F32, F16 and BF16 panels times float activations, AVX-512: 16 rows at once, of a
// twin (panel.h).
// Even and odd columns have a sum each, added at the end, as in matmul_float8.cc.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_float8.h"
#include "kernels/cpu/vector_avx512.h"

namespace weft::kernels {
namespace {

// A column's 16 values.
template <typename Type>
inline __m512 load_column(const uint8_t* at) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(Type::load(at)),
                            Type::load(at + Type::kColumnBytes), 1);
}
template <>
inline __m512 load_column<F16>(const uint8_t* at) {
  return _mm512_cvtph_ps(load_bytes(at));
}

template <typename Type, int R>
void wide_float(const MatmulTile& tile) {
  const float* x[R];
  __m512 even[R], odd[R];
  for (int r = 0; r < R; ++r) {
    x[r] = reinterpret_cast<const float*>(tile.x + uint64_t(r) * tile.x_stride);
    even[r] = odd[r] = _mm512_setzero_ps();
  }
  const uint8_t* at = tile.panel;
  constexpr uint32_t kColumnBytes = 2 * Type::kColumnBytes;
  const uint32_t pairs = tile.cols / 2;
  for (uint32_t pair = 0; pair < pairs; ++pair, at += 2 * kColumnBytes) {
    prefetch_ahead(at, 2 * kColumnBytes);
    const __m512 first = load_column<Type>(at);
    const __m512 second = load_column<Type>(at + kColumnBytes);
    for (int r = 0; r < R; ++r) {
      even[r] = _mm512_fmadd_ps(first, _mm512_set1_ps(x[r][2 * pair]), even[r]);
      odd[r] = _mm512_fmadd_ps(second, _mm512_set1_ps(x[r][2 * pair + 1]), odd[r]);
    }
  }
  for (int r = 0; r < R; ++r) {
    if (tile.cols % 2 != 0) {
      const __m512 last = _mm512_set1_ps(x[r][2 * pairs]);
      even[r] = _mm512_fmadd_ps(load_column<Type>(at), last, even[r]);
    }
    _mm512_storeu_ps(tile.out + uint64_t(r) * tile.out_stride, _mm512_add_ps(even[r], odd[r]));
  }
}

template <typename Type>
void wide_float_rows(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[kTwinTileRows])(const MatmulTile&) = {
      wide_float<Type, 1>, wide_float<Type, 2>, wide_float<Type, 3>, wide_float<Type, 4>,
      wide_float<Type, 5>, wide_float<Type, 6>, wide_float<Type, 7>, wide_float<Type, 8>};
  kTiles[x_rows - 1](tile);
}

inline void set_float_products(KernelTable& table) {
  table.matmul_f32 = wide_float_rows<F32>;
  table.matmul_f16 = wide_float_rows<F16>;
  table.matmul_bf16 = wide_float_rows<BF16>;
}

}  // namespace
}  // namespace weft::kernels

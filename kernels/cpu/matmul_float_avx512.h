// F32, F16 and BF16 panels times float activations, AVX-512. A vector holds two columns, row i's
// values side by side, so that the two activations are eight bytes repeated; even and odd columns
// have a sum each, added at the end, as in matmul_float8.cc.
#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/simd_float8.h"
#include "kernels/cpu/vector_avx512.h"

namespace weft::kernels {
namespace {

// First column's 8 values, then the second's, to pairs of both.
inline __m512 side_by_side(__m512 columns) {
  const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
  return _mm512_permutexvar_ps(order, columns);
}

// The first and the second of each of the eight pairs.
inline __m256 even_lanes(__m512 v) {
  return _mm256_castsi256_ps(_mm512_cvtepi64_epi32(_mm512_castps_si512(v)));
}
inline __m256 odd_lanes(__m512 v) {
  return _mm256_castsi256_ps(_mm512_cvtepi64_epi32(_mm512_srli_epi64(_mm512_castps_si512(v), 32)));
}

// Two columns at once.
struct WideF32 : F32 {
  static inline __m512 load_two(const uint8_t* at) { return _mm512_loadu_ps(at); }
};
struct WideF16 : F16 {
  static inline __m512 load_two(const uint8_t* at) { return _mm512_cvtph_ps(load_bytes(at)); }
};
struct WideBF16 : BF16 {
  static inline __m512 load_two(const uint8_t* at) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(load(at)), load(at + 16), 1);
  }
};

template <typename Type, int R>
void wide_float(const MatmulTile& tile) {
  const float* x[R];
  __m512 sums[R];
  for (int r = 0; r < R; ++r) {
    x[r] = reinterpret_cast<const float*>(tile.x + uint64_t(r) * tile.x_stride);
    sums[r] = _mm512_setzero_ps();
  }
  const uint8_t* at = tile.panel;
  const uint32_t pairs = tile.cols / 2;
  for (uint32_t pair = 0; pair < pairs; ++pair, at += 2 * Type::kColumnBytes) {
    prefetch_ahead(at, 2 * Type::kColumnBytes);
    const __m512 weights = side_by_side(Type::load_two(at));
    for (int r = 0; r < R; ++r) {
      const __m512 both = _mm512_castsi512_ps(Avx512Vector::columns(x[r] + 2 * pair));
      sums[r] = _mm512_fmadd_ps(weights, both, sums[r]);
    }
  }
  for (int r = 0; r < R; ++r) {
    Float8 even = even_lanes(sums[r]);
    if (tile.cols % 2 != 0) even = fused_add(even, Type::load(at), x[r][2 * pairs]);
    store8(tile.out + uint64_t(r) * tile.out_stride, add(even, odd_lanes(sums[r])));
  }
}

template <typename Type>
void wide_float_rows(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[])(const MatmulTile&) = {wide_float<Type, 1>, wide_float<Type, 2>,
                                                          wide_float<Type, 3>, wide_float<Type, 4>};
  static_assert(sizeof kTiles / sizeof kTiles[0] == kTileRows);
  kTiles[x_rows - 1](tile);
}

inline void set_float_products(KernelTable& table) {
  table.matmul_f32 = wide_float_rows<WideF32>;
  table.matmul_f16 = wide_float_rows<WideF16>;
  table.matmul_bf16 = wide_float_rows<WideBF16>;
}

}  // namespace
}  // namespace weft::kernels

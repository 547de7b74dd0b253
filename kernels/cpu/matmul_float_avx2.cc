// F32, F16 and BF16 panels times float activations, AVX2. A lane is one output row. Even and odd
// columns have a sum each (two chains of FMA keep a single row of x from waiting on itself), added
// at the end: the same order for any number of rows.
#if defined(__x86_64__)

#include "kernels/cpu/avx2_kernels.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels::avx2 {
namespace {

struct F32 {
  static constexpr uint32_t kColumnBytes = 32;
  static inline __m256 load(const uint8_t* at) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(at));
  }
};

struct F16 {
  static constexpr uint32_t kColumnBytes = 16;
  static inline __m256 load(const uint8_t* at) { return load_halves(at); }
};

struct BF16 {
  static constexpr uint32_t kColumnBytes = 16;
  static inline __m256 load(const uint8_t* at) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
};

template <typename Type, int R>
void tile_float(const MatmulTile& tile) {
  const float* x[R];
  __m256 even[R], odd[R];
  for (int r = 0; r < R; ++r) {
    x[r] = reinterpret_cast<const float*>(tile.x + uint64_t(r) * tile.x_stride);
    even[r] = odd[r] = _mm256_setzero_ps();
  }
  const uint8_t* at = tile.panel;
  const uint32_t pairs = tile.cols / 2;
  for (uint32_t pair = 0; pair < pairs; ++pair, at += 2 * Type::kColumnBytes) {
    prefetch_ahead(at, 2 * Type::kColumnBytes);
    const __m256 first = Type::load(at);
    const __m256 second = Type::load(at + Type::kColumnBytes);
    for (int r = 0; r < R; ++r) {
      even[r] = _mm256_fmadd_ps(first, _mm256_broadcast_ss(x[r] + 2 * pair), even[r]);
      odd[r] = _mm256_fmadd_ps(second, _mm256_broadcast_ss(x[r] + 2 * pair + 1), odd[r]);
    }
  }
  if (tile.cols % 2 != 0) {
    const __m256 last = Type::load(at);
    for (int r = 0; r < R; ++r) {
      even[r] = _mm256_fmadd_ps(last, _mm256_broadcast_ss(x[r] + 2 * pairs), even[r]);
    }
  }
  for (int r = 0; r < R; ++r) {
    _mm256_storeu_ps(tile.out + uint64_t(r) * tile.out_stride, _mm256_add_ps(even[r], odd[r]));
  }
}

template <typename Type>
void matmul_float(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[])(const MatmulTile&) = {tile_float<Type, 1>, tile_float<Type, 2>,
                                                          tile_float<Type, 3>, tile_float<Type, 4>};
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

}  // namespace weft::kernels::avx2

#endif  // defined(__x86_64__)

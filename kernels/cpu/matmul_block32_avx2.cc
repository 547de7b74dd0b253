// Q4_0 and Q8_0 panels times int8 activations, AVX2. A lane is one output row; the sum of a block's
// 32 columns is an exact integer, and blocks are added as floats in order.
#if defined(__x86_64__)

#include "kernels/cpu/avx2_kernels.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels::avx2 {
namespace {

template <int R>
struct Rows {
  const ActivationBlock32* x[R];
  explicit Rows(const MatmulTile& tile) {
    for (int r = 0; r < R; ++r) {
      x[r] = reinterpret_cast<const ActivationBlock32*>(tile.x + uint64_t(r) * tile.x_stride);
    }
  }
};

template <int R>
inline void add_block(const uint8_t* block, const Rows<R>& rows, uint32_t b, const __m256i* sums,
                      __m256* totals) {
  const __m256 d = load_halves(block);
  for (int r = 0; r < R; ++r) {
    const __m256 scale = _mm256_mul_ps(d, _mm256_broadcast_ss(&rows.x[r][b].scale));
    totals[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r]), scale, totals[r]);
  }
}

// Codes are at most 15: eight products of pairs are at most 8 * 2 * 15 * 127 = 30480.
template <int R>
void tile_q4_0(const MatmulTile& tile) {
  const Rows<R> rows(tile);
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 totals[R];
  for (int r = 0; r < R; ++r) totals[r] = _mm256_setzero_ps();

  for (uint32_t b = 0; b < tile.cols / 32; ++b) {
    const uint8_t* block = tile.panel + uint64_t{b} * 144;
    prefetch_ahead(block, 144);
    __m256i products[R];
    for (int r = 0; r < R; ++r) products[r] = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const __m256i both = load_bytes(block + kSmallCodesAt + 32 * j);
      const __m256i low = _mm256_and_si256(both, nibble);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
      for (int r = 0; r < R; ++r) {
        const int8_t* codes = rows.x[r][b].codes + 4 * j;
        products[r] = _mm256_add_epi16(products[r], _mm256_maddubs_epi16(low, broadcast4(codes)));
        keep_order(products[r]);
        products[r] =
            _mm256_add_epi16(products[r], _mm256_maddubs_epi16(high, broadcast4(codes + 16)));
        keep_order(products[r]);
      }
    }
    __m256i sums[R];
    for (int r = 0; r < R; ++r) {
      // The stored codes are 8 more than the values.
      const __m256i offset = _mm256_slli_epi32(broadcast4(&rows.x[r][b].sum), 3);
      sums[r] = _mm256_sub_epi32(_mm256_madd_epi16(products[r], ones), offset);
    }
    add_block<R>(block, rows, b, sums, totals);
  }
  for (int r = 0; r < R; ++r) _mm256_storeu_ps(tile.out + uint64_t(r) * tile.out_stride, totals[r]);
}

// The weights' signs move to the activations, so that the first factor is unsigned. One product of
// pairs is at most 2 * 128 * 127 = 32512 and a second would not fit, so each goes to 32 bits alone.
template <int R>
void tile_q8_0(const MatmulTile& tile) {
  const Rows<R> rows(tile);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 totals[R];
  for (int r = 0; r < R; ++r) totals[r] = _mm256_setzero_ps();

  for (uint32_t b = 0; b < tile.cols / 32; ++b) {
    const uint8_t* block = tile.panel + uint64_t{b} * 272;
    prefetch_ahead(block, 272);
    __m256i sums[R];
    for (int r = 0; r < R; ++r) sums[r] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const __m256i weights = load_bytes(block + kSmallCodesAt + 32 * j);
      const __m256i sizes = _mm256_abs_epi8(weights);
      for (int r = 0; r < R; ++r) {
        const __m256i x = _mm256_sign_epi8(broadcast4(rows.x[r][b].codes + 4 * j), weights);
        sums[r] =
            _mm256_add_epi32(sums[r], _mm256_madd_epi16(_mm256_maddubs_epi16(sizes, x), ones));
        keep_order(sums[r]);
      }
    }
    add_block<R>(block, rows, b, sums, totals);
  }
  for (int r = 0; r < R; ++r) _mm256_storeu_ps(tile.out + uint64_t(r) * tile.out_stride, totals[r]);
}

}  // namespace

void matmul_q4_0(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[])(const MatmulTile&) = {tile_q4_0<1>, tile_q4_0<2>, tile_q4_0<3>,
                                                          tile_q4_0<4>};
  kTiles[x_rows - 1](tile);
}

void matmul_q8_0(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[])(const MatmulTile&) = {tile_q8_0<1>, tile_q8_0<2>, tile_q8_0<3>,
                                                          tile_q8_0<4>};
  kTiles[x_rows - 1](tile);
}

}  // namespace weft::kernels::avx2

#endif  // defined(__x86_64__)

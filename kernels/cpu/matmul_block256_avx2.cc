// Q4_K, Q5_K and Q6_K panels times int8 activations, AVX2.
//
// A lane of every vector is one output row. Codes (unsigned bytes) times activations (signed bytes)
// are summed in 16 bits as long as they cannot saturate, multiplied by the sub-block's integer
// scale into 32 bits, summed exactly over the block of 256, and only then turned into floats. The
// integers are exact in any order and the floats are added block by block, so tiles of 1 to 4 rows
// of x give the same bits.
#if defined(__x86_64__)

#include "kernels/cpu/avx2_kernels.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/simd_avx2.h"

namespace weft::kernels::avx2 {
namespace {

constexpr uint32_t kBlock = 256;

template <int R>
struct Rows {
  const ActivationBlock256* x[R];
  explicit Rows(const MatmulTile& tile) {
    for (int r = 0; r < R; ++r) {
      x[r] = reinterpret_cast<const ActivationBlock256*>(tile.x + uint64_t(r) * tile.x_stride);
    }
  }
};

// Byte i of each lane's word as a pair of 16-bit values (i, i).
inline __m256i byte_twice(__m256i words, int i) {
  const __m256i first =
      _mm256_setr_epi8(0, -128, 0, -128, 4, -128, 4, -128, 8, -128, 8, -128, 12, -128, 12, -128, 0,
                       -128, 0, -128, 4, -128, 4, -128, 8, -128, 8, -128, 12, -128, 12, -128);
  return _mm256_shuffle_epi8(words, _mm256_add_epi8(first, _mm256_set1_epi16(short(i))));
}

// Bytes 2i and 2i + 1 of each lane's word as a pair of 16-bit values.
inline __m256i byte_pair(__m256i words, int i) {
  const __m256i first =
      _mm256_setr_epi8(0, -128, 1, -128, 4, -128, 5, -128, 8, -128, 9, -128, 12, -128, 13, -128, 0,
                       -128, 1, -128, 4, -128, 5, -128, 8, -128, 9, -128, 12, -128, 13, -128);
  return _mm256_shuffle_epi8(words, _mm256_add_epi8(first, _mm256_set1_epi16(short(2 * i))));
}

// The same for signed bytes: they go to the upper half of the 16 bits and are shifted down.
inline __m256i signed_byte_twice(__m256i words, int i) {
  return _mm256_srai_epi16(_mm256_slli_epi16(byte_twice(words, i), 8), 8);
}
inline __m256i signed_byte_pair(__m256i words, int i) {
  return _mm256_srai_epi16(_mm256_slli_epi16(byte_pair(words, i), 8), 8);
}

struct KScales {
  __m256i scales[8];  // of sub-block s, twice per lane
  __m256i mins[4];    // of sub-blocks 2i and 2i + 1
};

inline void read_k_scales(const uint8_t* block, KScales& out) {
  const __m256i six_bits = _mm256_set1_epi8(63);
  const __m256i w0 = load_bytes(block + kKScalesAt);
  const __m256i w1 = load_bytes(block + kKScalesAt + 32);
  const __m256i w2 = load_bytes(block + kKScalesAt + 64);
  const __m256i scales[2] = {_mm256_and_si256(w0, six_bits), _mm256_and_si256(w1, six_bits)};
  const __m256i low = _mm256_and_si256(_mm256_srli_epi16(w0, 6), _mm256_set1_epi8(0x03));
  const __m256i middle = _mm256_and_si256(_mm256_srli_epi16(w1, 4), _mm256_set1_epi8(0x0c));
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(w2, 2), _mm256_set1_epi8(0x30));
  const __m256i mins[2] = {_mm256_or_si256(_mm256_or_si256(low, middle), high),
                           _mm256_and_si256(w2, six_bits)};
  for (int s = 0; s < 8; ++s) out.scales[s] = byte_twice(scales[s / 4], s % 4);
  for (int i = 0; i < 4; ++i) out.mins[i] = byte_pair(mins[i / 2], i % 2);
}

// Adds one block's part: sums of 256 columns, scaled, less the mins' part.
template <int R>
inline void add_k_block(const uint8_t* block, const KScales& k, const Rows<R>& rows, uint32_t b,
                        const __m256i* sums, __m256* totals) {
  const __m256 d = load_halves(block);
  const __m256 dmin = load_halves(block + 16);
  for (int r = 0; r < R; ++r) {
    const ActivationBlock256& x = rows.x[r][b];
    __m256i offset = _mm256_madd_epi16(k.mins[0], broadcast4(x.sums32));
    for (int i = 1; i < 4; ++i) {
      offset = _mm256_add_epi32(offset, _mm256_madd_epi16(k.mins[i], broadcast4(x.sums32 + 2 * i)));
    }
    const __m256 x_scale = _mm256_broadcast_ss(&x.scale);
    totals[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r]), _mm256_mul_ps(d, x_scale), totals[r]);
    totals[r] =
        _mm256_fnmadd_ps(_mm256_cvtepi32_ps(offset), _mm256_mul_ps(dmin, x_scale), totals[r]);
  }
}

template <int R>
inline void store_totals(const MatmulTile& tile, const __m256* totals) {
  for (int r = 0; r < R; ++r) _mm256_storeu_ps(tile.out + uint64_t(r) * tile.out_stride, totals[r]);
}

// Codes are at most 15: eight products of pairs are at most 8 * 2 * 15 * 127 = 30480.
template <int R>
void tile_q4_k(const MatmulTile& tile) {
  const Rows<R> rows(tile);
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256 totals[R];
  for (int r = 0; r < R; ++r) totals[r] = _mm256_setzero_ps();

  for (uint32_t b = 0; b < tile.cols / kBlock; ++b) {
    const uint8_t* block = tile.panel + uint64_t{b} * 1152;
    prefetch_ahead(block, 1152);
    KScales k;
    read_k_scales(block, k);
    __m256i sums[R];
    for (int r = 0; r < R; ++r) sums[r] = _mm256_setzero_si256();
    for (int s = 0; s < 8; ++s) {
      const uint8_t* packed = block + kKNibblesAt + 128 * s;
      __m256i products[R];
      for (int r = 0; r < R; ++r) products[r] = _mm256_setzero_si256();
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m256i both = load_bytes(packed + 32 * j);
        const __m256i low = _mm256_and_si256(both, nibble);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
        for (int r = 0; r < R; ++r) {
          const int8_t* codes = rows.x[r][b].codes + 32 * s + 4 * j;
          products[r] = _mm256_add_epi16(products[r], _mm256_maddubs_epi16(low, broadcast4(codes)));
          keep_order(products[r]);
          products[r] =
              _mm256_add_epi16(products[r], _mm256_maddubs_epi16(high, broadcast4(codes + 16)));
          keep_order(products[r]);
        }
      }
      for (int r = 0; r < R; ++r) {
        sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(products[r], k.scales[s]));
      }
    }
    add_k_block<R>(block, k, rows, b, sums, totals);
  }
  store_totals<R>(tile, totals);
}

// The fifth bit of group g, at bit 4 of each byte.
template <int G>
inline __m256i fifth_bit(__m256i high) {
  const __m256i shifted = G <= 4 ? _mm256_slli_epi16(high, G <= 4 ? 4 - G : 0)
                                 : _mm256_srli_epi16(high, G > 4 ? G - 4 : 0);
  return _mm256_and_si256(shifted, _mm256_set1_epi8(16));
}

// Groups J (low nibbles) and J + 4 (high nibbles) of one sub-block. Codes are at most 31: four
// products of pairs are at most 4 * 2 * 31 * 127 = 31496, hence a sum for each half.
template <int R, int J>
inline void add_q5_groups(const uint8_t* packed, __m256i high, const Rows<R>& rows, uint32_t b,
                          int s, __m256i* first, __m256i* second) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i both = load_bytes(packed + 32 * J);
  const __m256i low_codes = _mm256_or_si256(_mm256_and_si256(both, nibble), fifth_bit<J>(high));
  const __m256i high_codes =
      _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(both, 4), nibble), fifth_bit<J + 4>(high));
  for (int r = 0; r < R; ++r) {
    const int8_t* codes = rows.x[r][b].codes + 32 * s + 4 * J;
    first[r] = _mm256_add_epi16(first[r], _mm256_maddubs_epi16(low_codes, broadcast4(codes)));
    keep_order(first[r]);
    second[r] =
        _mm256_add_epi16(second[r], _mm256_maddubs_epi16(high_codes, broadcast4(codes + 16)));
    keep_order(second[r]);
  }
}

template <int R>
void tile_q5_k(const MatmulTile& tile) {
  const Rows<R> rows(tile);
  __m256 totals[R];
  for (int r = 0; r < R; ++r) totals[r] = _mm256_setzero_ps();

  for (uint32_t b = 0; b < tile.cols / kBlock; ++b) {
    const uint8_t* block = tile.panel + uint64_t{b} * 1408;
    prefetch_ahead(block, 1408);
    KScales k;
    read_k_scales(block, k);
    __m256i sums[R];
    for (int r = 0; r < R; ++r) sums[r] = _mm256_setzero_si256();
    for (int s = 0; s < 8; ++s) {
      const uint8_t* packed = block + kKNibblesAt + 128 * s;
      const __m256i high = load_bytes(block + kQ5HighAt + 32 * s);
      __m256i first[R], second[R];
      for (int r = 0; r < R; ++r) first[r] = second[r] = _mm256_setzero_si256();
      add_q5_groups<R, 0>(packed, high, rows, b, s, first, second);
      add_q5_groups<R, 1>(packed, high, rows, b, s, first, second);
      add_q5_groups<R, 2>(packed, high, rows, b, s, first, second);
      add_q5_groups<R, 3>(packed, high, rows, b, s, first, second);
      for (int r = 0; r < R; ++r) {
        const __m256i halves = _mm256_add_epi32(_mm256_madd_epi16(first[r], k.scales[s]),
                                                _mm256_madd_epi16(second[r], k.scales[s]));
        sums[r] = _mm256_add_epi32(sums[r], halves);
      }
    }
    add_k_block<R>(block, k, rows, b, sums, totals);
  }
  store_totals<R>(tile, totals);
}

// Sixteen columns of Q6_K: four groups under one scale. Codes are at most 63: two products of pairs
// are at most 2 * 2 * 63 * 127 = 32004.
template <int R>
inline void add_q6_groups(const __m256i* codes, __m256i scale, const Rows<R>& rows, uint32_t b,
                          int column, __m256i* sums) {
  for (int r = 0; r < R; ++r) {
    const int8_t* x = rows.x[r][b].codes + column;
    const __m256i first = _mm256_add_epi16(_mm256_maddubs_epi16(codes[0], broadcast4(x)),
                                           _mm256_maddubs_epi16(codes[1], broadcast4(x + 4)));
    const __m256i second = _mm256_add_epi16(_mm256_maddubs_epi16(codes[2], broadcast4(x + 8)),
                                            _mm256_maddubs_epi16(codes[3], broadcast4(x + 12)));
    sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(first, scale));
    keep_order(sums[r]);
    sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(second, scale));
    keep_order(sums[r]);
  }
}

// One sub-block of 32 columns: low nibbles are its first half, high nibbles its second.
template <int R>
inline void add_q6_sub_block(const uint8_t* packed, const uint8_t* high_bits, const __m256i* scales,
                             const Rows<R>& rows, uint32_t b, int s, __m256i* sums) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i upper = _mm256_set1_epi8(0x30);
  for (int half = 0; half < 2; ++half) {
    const __m256i bits = load_bytes(high_bits + 32 * half);
    const __m256i high[4] = {_mm256_and_si256(_mm256_slli_epi16(bits, 4), upper),
                             _mm256_and_si256(_mm256_slli_epi16(bits, 2), upper),
                             _mm256_and_si256(bits, upper),
                             _mm256_and_si256(_mm256_srli_epi16(bits, 2), upper)};
    __m256i codes[4];
    for (int j = 0; j < 4; ++j) {
      const __m256i both = load_bytes(packed + 32 * j);
      const __m256i low = half == 0 ? both : _mm256_srli_epi16(both, 4);
      codes[j] = _mm256_or_si256(_mm256_and_si256(low, nibble), high[j]);
    }
    add_q6_groups<R>(codes, scales[half], rows, b, 32 * s + 16 * half, sums);
  }
}

// The stored codes of Q6_K are 32 more than the values: what that adds to one row's sum.
inline __m256i q6_offset(const __m256i* scale_pairs, const ActivationBlock256& x) {
  __m256i offset = _mm256_madd_epi16(scale_pairs[0], broadcast4(x.sums16));
  for (int s = 1; s < 8; ++s) {
    const __m256i x_sums = broadcast4(x.sums16 + 2 * s);
    offset = _mm256_add_epi32(offset, _mm256_madd_epi16(scale_pairs[s], x_sums));
  }
  return _mm256_slli_epi32(offset, 5);
}

template <int R>
void tile_q6_k(const MatmulTile& tile) {
  const Rows<R> rows(tile);
  __m256 totals[R];
  for (int r = 0; r < R; ++r) totals[r] = _mm256_setzero_ps();

  for (uint32_t b = 0; b < tile.cols / kBlock; ++b) {
    const uint8_t* block = tile.panel + uint64_t{b} * 1680;
    prefetch_ahead(block, 1680);
    __m256i scales[16], scale_pairs[8];
    for (int word = 0; word < 4; ++word) {
      const __m256i four = load_bytes(block + kQ6ScalesAt + 32 * word);
      for (int i = 0; i < 4; ++i) scales[4 * word + i] = signed_byte_twice(four, i);
      for (int i = 0; i < 2; ++i) scale_pairs[2 * word + i] = signed_byte_pair(four, i);
    }
    __m256i sums[R];
    for (int r = 0; r < R; ++r) sums[r] = _mm256_setzero_si256();
    for (int s = 0; s < 8; ++s) {
      add_q6_sub_block<R>(block + kQ6NibblesAt + 128 * s, block + kQ6HighAt + 64 * s,
                          scales + 2 * s, rows, b, s, sums);
    }
    const __m256 d = load_halves(block);
    for (int r = 0; r < R; ++r) {
      const __m256i sum = _mm256_sub_epi32(sums[r], q6_offset(scale_pairs, rows.x[r][b]));
      const __m256 scale = _mm256_mul_ps(d, _mm256_broadcast_ss(&rows.x[r][b].scale));
      totals[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, totals[r]);
    }
  }
  store_totals<R>(tile, totals);
}

}  // namespace

void matmul_q4_k(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[])(const MatmulTile&) = {tile_q4_k<1>, tile_q4_k<2>, tile_q4_k<3>,
                                                          tile_q4_k<4>};
  kTiles[x_rows - 1](tile);
}

void matmul_q5_k(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[])(const MatmulTile&) = {tile_q5_k<1>, tile_q5_k<2>, tile_q5_k<3>,
                                                          tile_q5_k<4>};
  kTiles[x_rows - 1](tile);
}

void matmul_q6_k(const MatmulTile& tile, uint32_t x_rows) {
  static constexpr void (*kTiles[])(const MatmulTile&) = {tile_q6_k<1>, tile_q6_k<2>, tile_q6_k<3>,
                                                          tile_q6_k<4>};
  kTiles[x_rows - 1](tile);
}

}  // namespace weft::kernels::avx2

#endif  // defined(__x86_64__)

// The K-quants: blocks of 256 values, scales of sub-blocks as small integers.
#include "model/k_scales.h"
#include "model/quantize_blocks.h"
#include "model/quantize_fit.h"

namespace weft::model {
namespace {

// Weights of squared errors: large values count more, small ones not nothing.
void error_weights(const float* x, int count, float* weights) {
  float squares = 0;
  for (int i = 0; i < count; ++i) squares += x[i] * x[i];
  const float typical = std::sqrt(squares / float(count));
  // All the same where the squares underflow: then no weight says anything.
  for (int i = 0; i < count; ++i) weights[i] = squares > 0 ? typical + std::fabs(x[i]) : 1;
}

// Q2_K, Q4_K and Q5_K: sub-blocks of `count` values, codes 0 to `top`, integer scales and minima
// up to `scale_top`. The block's two f16 go to `halves`.
struct AffineBlock {
  int count, top, scale_top;
  AffineSearch search;
};

void quantize_affine(const float* in, const AffineBlock& shape, uint8_t* halves, KScale* scales,
                     uint8_t* codes) {
  AffineFit fits[16];
  float weights[32];
  const int subs = 256 / shape.count;
  float scale_max = 0, minimum_max = 0;
  for (int sub = 0; sub < subs; ++sub) {
    const float* x = in + sub * shape.count;
    error_weights(x, shape.count, weights);
    fits[sub] = fit_affine(x, weights, shape.count, shape.top, shape.search);
    scale_max = std::max(scale_max, fits[sub].scale);
    minimum_max = std::max(minimum_max, fits[sub].minimum);
  }
  const float scale = put_half(halves, scale_max / float(shape.scale_top));
  const float minimum = put_half(halves + 2, minimum_max / float(shape.scale_top));
  for (int sub = 0; sub < subs; ++sub) {
    scales[sub] = {uint8_t(round_to(fits[sub].scale, inverse_of(scale), 0, shape.scale_top)),
                   uint8_t(round_to(fits[sub].minimum, inverse_of(minimum), 0, shape.scale_top))};
    const float inverse = inverse_of(scale * float(scales[sub].scale));
    const float offset = minimum * float(scales[sub].minimum);
    for (int i = sub * shape.count; i < (sub + 1) * shape.count; ++i) {
      codes[i] = uint8_t(round_to(in[i] + offset, inverse, 0, shape.top));
    }
  }
}

// Q3_K and Q6_K: 16 signed scales for codes -half .. half - 1, whose largest magnitude maps to
// -scale_half. Codes are stored with half added.
void quantize_signed(const float* in, int half, int scale_half, uint8_t* d, int8_t* scales,
                     uint8_t* codes) {
  float fits[16];
  for (int sub = 0; sub < 16; ++sub)
    fits[sub] = fit_symmetric(in + sub * 16, 16, half, ErrorWeights::kSquares);
  const float scale = put_half(d, extreme(fits, 16) / float(-scale_half));
  for (int sub = 0; sub < 16; ++sub) {
    scales[sub] = int8_t(round_to(fits[sub], inverse_of(scale), -scale_half, scale_half - 1));
    const float inverse = inverse_of(scale * float(scales[sub]));
    for (int i = sub * 16; i < sub * 16 + 16; ++i) {
      codes[i] = uint8_t(round_to(in[i], inverse, -half, half - 1) + half);
    }
  }
}

// Low nibbles: each run of 32 bytes holds sub-blocks 2k and 2k + 1.
void put_nibbles(const uint8_t* codes, uint8_t* out) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t* run = codes + pair * 64 + i;
      out[pair * 32 + i] = uint8_t((run[0] & 0xF) | (run[32] & 0xF) << 4);
    }
  }
}

// Bit pairs: byte i of each half holds values i, 32 + i, 64 + i and 96 + i.
void put_pairs(const uint8_t* codes, uint8_t* out) {
  std::memset(out, 0, 64);
  for (int i = 0; i < 256; ++i) {
    out[i / 128 * 32 + i % 32] |= uint8_t((codes[i] & 3) << (i % 128 / 32 * 2));
  }
}

}  // namespace

void quantize_q2_k(const float* in, uint8_t* out) {
  KScale scales[16];
  uint8_t codes[256];
  quantize_affine(in, {16, 3, 15, {-0.5f, 0.1f, 15}}, out + 80, scales, codes);
  for (int sub = 0; sub < 16; ++sub) {
    out[sub] = uint8_t(scales[sub].scale | scales[sub].minimum << 4);
  }
  put_pairs(codes, out + 16);
}

void quantize_q3_k(const float* in, uint8_t* out) {
  int8_t scales[16];
  uint8_t codes[256];
  quantize_signed(in, 4, 32, out + 108, scales, codes);
  std::memset(out, 0, 32);
  for (int i = 0; i < 256; ++i) out[i % 32] |= uint8_t(codes[i] >> 2 << (i / 32));
  put_pairs(codes, out + 32);
  std::memset(out + 96, 0, 12);
  for (int sub = 0; sub < 16; ++sub) {
    const int stored = scales[sub] + 32;
    out[96 + sub % 8] |= uint8_t((stored & 0xF) << (sub / 8 * 4));
    out[104 + sub % 4] |= uint8_t(stored >> 4 << (sub / 4 * 2));
  }
}

void quantize_q4_k(const float* in, uint8_t* out) {
  KScale scales[kKSubBlocks];
  uint8_t codes[256];
  quantize_affine(in, {32, 15, 63, {-1, 0.1f, 20}}, out, scales, codes);
  pack_k_scales(scales, out + 4);
  put_nibbles(codes, out + 16);
}

void quantize_q5_k(const float* in, uint8_t* out) {
  KScale scales[kKSubBlocks];
  uint8_t codes[256];
  quantize_affine(in, {32, 31, 63, {-0.5f, 0.1f, 15}}, out, scales, codes);
  pack_k_scales(scales, out + 4);
  std::memset(out + 16, 0, 32);
  for (int at = 0; at < 256; ++at) out[16 + at % 32] |= uint8_t(codes[at] >> 4 << (at / 32));
  put_nibbles(codes, out + 48);
}

void quantize_q6_k(const float* in, uint8_t* out) {
  uint8_t codes[256];
  quantize_signed(in, 32, 128, out + 208, reinterpret_cast<int8_t*>(out + 192), codes);
  std::memset(out, 0, 192);
  for (int at = 0; at < 256; ++at) {
    // Where the decoder looks: half of 128, quarter of 32 within it, element of the quarter.
    const int half = at / 128, quarter = at % 128 / 32, element = at % 32;
    out[half * 64 + quarter % 2 * 32 + element] |= uint8_t((codes[at] & 0xF) << (quarter / 2 * 4));
    out[128 + half * 32 + element] |= uint8_t(codes[at] >> 4 << (quarter * 2));
  }
}

}  // namespace weft::model

// The types in blocks of 256 with integer scales of sub-blocks, and the ternary ones.
#include "model/dequantize_blocks.h"
#include "model/k_scales.h"

namespace weft::model {

// 16 bytes of scales (low nibbles) and minima (high nibbles) for 16 values each, 64 bytes of bit
// pairs, f16 scale of scales, f16 scale of minima. Each half of 128 values uses 32 bytes of pairs.
void dequantize_q2_k(const uint8_t* block, float* out) {
  const float scale = half_at(block + 80);
  const float minimum = half_at(block + 82);
  for (int sub = 0; sub < 16; ++sub) {
    const float sub_scale = scale * float(block[sub] & 0xF);
    const float sub_minimum = minimum * float(block[sub] >> 4);
    const uint8_t* pairs = block + 16 + sub / 8 * 32 + sub % 2 * 16;
    const int shift = sub % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) {
      out[sub * 16 + i] = sub_scale * float(pairs[i] >> shift & 3) - sub_minimum;
    }
  }
}

// 32 bytes of high bits (bit k of byte i for value 32 k + i), 64 bytes of bit pairs as in Q2_K, 12
// bytes of packed 6-bit scales, f16 scale. Values are 3 bits minus 4, scales 6 bits minus 32: the
// low nibbles of scales 0 to 7 and the high ones of 8 to 15 are in bytes 0 to 7, and bits 2k of
// byte 8 + i are the upper two of scale 4 k + i.
void read_q3_k(const uint8_t* block, int8_t* scales, int8_t* codes) {
  const uint8_t* packed = block + 96;
  for (int sub = 0; sub < 16; ++sub) {
    const int low = packed[sub % 8] >> (sub / 8 * 4) & 0xF;
    const int high = packed[8 + sub % 4] >> (sub / 4 * 2) & 3;
    scales[sub] = int8_t((low | high << 4) - 32);
  }
  for (int i = 0; i < 256; ++i) {
    const int low = block[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int high = block[i % 32] >> (i / 32) & 1;
    codes[i] = int8_t((low | high << 2) - 4);
  }
}

void dequantize_q3_k(const uint8_t* block, float* out) {
  const float scale = half_at(block + 108);
  int8_t scales[16];
  int8_t codes[256];
  read_q3_k(block, scales, codes);
  for (int i = 0; i < 256; ++i) out[i] = scale * float(scales[i / 16]) * float(codes[i]);
}

// f16 scale of scales, f16 scale of minima, 12 bytes of packed 6-bit scales and minima, 128 bytes:
// each run of 32 bytes holds sub-block 2k in its low and 2k + 1 in its high nibbles.
void dequantize_q4_k(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int sub = 0; sub < 8; ++sub) {
    const KScale k = unpack_k_scale(block + 4, sub);
    const float sub_scale = scale * float(k.scale);
    const float sub_minimum = minimum * float(k.minimum);
    const uint8_t* quants = block + 16 + sub / 2 * 32;
    const int shift = sub % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      out[sub * 32 + i] = sub_scale * float(quants[i] >> shift & 0xF) - sub_minimum;
    }
  }
}

// As Q4_K, with 32 bytes before the nibbles: bit `sub` of byte i is the fifth bit of value i.
void dequantize_q5_k(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int sub = 0; sub < 8; ++sub) {
    const KScale k = unpack_k_scale(block + 4, sub);
    const float sub_scale = scale * float(k.scale);
    const float sub_minimum = minimum * float(k.minimum);
    const uint8_t* high = block + 16;
    const uint8_t* quants = block + 48 + sub / 2 * 32;
    const int shift = sub % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int value = (quants[i] >> shift & 0xF) | (high[i] >> sub & 1) << 4;
      out[sub * 32 + i] = sub_scale * float(value) - sub_minimum;
    }
  }
}

// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, f16 scale; values are
// 6 bits minus 32. Each half of 128 values uses 64 bytes of nibbles and 32 of pairs.
void dequantize_q6_k(const uint8_t* block, float* out) {
  const float scale = half_at(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + half * 64;
    const uint8_t* high = block + 128 + half * 32;
    const uint8_t* scales = block + 192 + half * 8;
    for (int quarter = 0; quarter < 4; ++quarter) {
      for (int i = 0; i < 32; ++i) {
        const int nibble = low[quarter % 2 * 32 + i] >> (quarter / 2 * 4) & 0xF;
        const int value = (nibble | (high[i] >> (quarter * 2) & 3) << 4) - 32;
        const float sub_scale = scale * float(int8_t(scales[quarter * 2 + i / 16]));
        out[half * 128 + quarter * 32 + i] = sub_scale * float(value);
      }
    }
  }
}

// Five ternary digits to a byte: the byte is a fraction of 256 whose digits, in base 3, come out by
// multiplying. Bytes 0 to 31 hold values 32 n + i, the next 16 values 160 + 16 n + i; 4 bytes of
// four digits hold the last 16 values; then an f16 scale.
void read_tq1_0(const uint8_t* block, uint8_t* codes) {
  const auto digits = [&](int first, int bytes, int count) {
    for (int i = 0; i < bytes; ++i) {
      uint8_t fraction = block[first + i];
      for (int n = 0; n < count; ++n) {
        codes[n * bytes + i] = uint8_t(fraction * 3 >> 8);
        fraction = uint8_t(fraction * 3);
      }
    }
    codes += bytes * count;
  };
  digits(0, 32, 5);
  digits(32, 16, 5);
  digits(48, 4, 4);
}

// 64 bytes of bit pairs as in Q2_K, f16 scale.
void read_tq2_0(const uint8_t* block, uint8_t* codes) {
  for (int i = 0; i < 256; ++i) {
    codes[i] = block[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
  }
}

void dequantize_tq1_0(const uint8_t* block, float* out) {
  const float scale = half_at(block + 52);
  uint8_t codes[256];
  read_tq1_0(block, codes);
  for (int i = 0; i < 256; ++i) out[i] = float(int(codes[i]) - 1) * scale;
}

void dequantize_tq2_0(const uint8_t* block, float* out) {
  const float scale = half_at(block + 64);
  uint8_t codes[256];
  read_tq2_0(block, codes);
  for (int i = 0; i < 256; ++i) out[i] = float(int(codes[i]) - 1) * scale;
}

}  // namespace weft::model

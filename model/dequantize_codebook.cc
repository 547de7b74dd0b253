// The types whose codes name values, or small vectors of values, of a table: IQ1 to IQ4 and MXFP4.

#include "model/codebooks.h"
#include "model/dequantize_blocks.h"

namespace weft::model {
namespace {

constexpr int kSubBlocks = 8;  // of 32 values in a block of 256
constexpr float kIq1Delta = 0.125f;

// Eight values of an IQ2 grid entry: scale * level, negative where `signs` has the value's bit.
void put_iq2(float scale, uint16_t entry, uint8_t signs, float* out) {
  for (int i = 0; i < 8; ++i) {
    const float value = scale * kIq2Levels[entry >> (2 * i) & 3];
    out[i] = signs >> i & 1 ? -value : value;
  }
}

// Four values of an IQ3 grid entry.
void put_iq3(float scale, const float* levels, uint16_t entry, uint8_t signs, float* out) {
  for (int i = 0; i < 4; ++i) {
    const float value = scale * levels[entry >> (3 * i) & 7];
    out[i] = signs >> i & 1 ? -value : value;
  }
}

// Eight values of an IQ1 grid entry, each moved by delta.
void put_iq1(float scale, uint16_t entry, float delta, float* out) {
  for (int i = 0; i < 8; ++i) out[i] = scale * (float(entry >> (2 * i) & 3) - 1 + delta);
}

// IQ2_XS and IQ2_S: low and high nibble are the scales of 16 values each.
float iq2_scale(float d, uint8_t scales, int half) {
  return d * (0.5f + float(scales >> (4 * half) & 0xF)) * 0.25f;
}

}  // namespace

// f16 scale, then per 32 values 4 grid indices of a byte, and 32 bits: 4 times 7 signs and a
// scale of 4 bits on top.
void dequantize_iq2_xxs(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int sub = 0; sub < kSubBlocks; ++sub) {
    const uint8_t* indices = block + 2 + 8 * sub;
    const uint32_t rest = u32_at(indices + 4);
    const float scale = d * (0.5f + float(rest >> 28)) * 0.25f;
    for (int l = 0; l < 4; ++l) {
      const uint8_t signs = even_signs(rest >> (7 * l) & 127);
      put_iq2(scale, kIq2XxsGrid[indices[l]], signs, out + 32 * sub + 8 * l);
    }
  }
}

// f16 scale, 32 words of 9 bits of index and 7 signs, 8 bytes of scales.
void dequantize_iq2_xs(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int group = 0; group < 32; ++group) {
    const uint16_t word = u16_at(block + 2 + 2 * group);
    const float scale = iq2_scale(d, block[66 + group / 4], group % 4 / 2);
    put_iq2(scale, kIq2XsGrid[word & 511], even_signs(word >> 9), out + 8 * group);
  }
}

// f16 scale, 32 bytes of low index bits, 32 bytes of signs, 8 bytes with 2 high index bits of four
// groups each, 8 bytes of scales.
void dequantize_iq2_s(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int group = 0; group < 32; ++group) {
    const int high = block[66 + group / 4] >> (2 * (group % 4)) & 3;
    const float scale = iq2_scale(d, block[74 + group / 4], group % 4 / 2);
    put_iq2(scale, kIq2SGrid[block[2 + group] | high << 8], block[34 + group], out + 8 * group);
  }
}

// f16 scale, 64 grid indices of a byte, then per 32 values 32 bits as in IQ2_XXS.
void dequantize_iq3_xxs(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int sub = 0; sub < kSubBlocks; ++sub) {
    const uint32_t rest = u32_at(block + 66 + 4 * sub);
    const float scale = d * (0.5f + float(rest >> 28)) * 0.5f;
    for (int l = 0; l < 8; ++l) {
      const uint8_t signs = uint8_t(even_signs(rest >> (7 * (l / 2)) & 127) >> (4 * (l % 2)));
      const uint16_t entry = kIq3XxsGrid[block[2 + 8 * sub + l]];
      put_iq3(scale, kIq3XxsLevels, entry, signs, out + 32 * sub + 4 * l);
    }
  }
}

// f16 scale, 64 bytes of low index bits, 8 bytes of ninth bits, 32 bytes of signs, 4 bytes of
// scales: a nibble for each 32 values.
void read_iq3_s(const uint8_t* block, int8_t* scales, int8_t* codes) {
  for (int sub = 0; sub < kSubBlocks; ++sub) {
    const int nibble = block[106 + sub / 2] >> (4 * (sub % 2)) & 0xF;
    scales[sub] = int8_t(1 + 2 * nibble);
    for (int l = 0; l < 8; ++l) {
      const int index = block[2 + 8 * sub + l] | (block[66 + sub] >> l & 1) << 8;
      const uint16_t entry = kIq3SGrid[index];
      const int signs = block[74 + 4 * sub + l / 2] >> (4 * (l % 2));
      for (int i = 0; i < 4; ++i) {
        const int level = 2 * (entry >> (3 * i) & 7) + 1;
        codes[32 * sub + 4 * l + i] = int8_t(signs >> i & 1 ? -level : level);
      }
    }
  }
}

void dequantize_iq3_s(const uint8_t* block, float* out) {
  const float d = half_at(block);
  int8_t scales[kSubBlocks];
  int8_t codes[256];
  read_iq3_s(block, scales, codes);
  for (int i = 0; i < 256; ++i) out[i] = d * float(scales[i / 32]) * float(codes[i]);
}

// f16 scale, 32 bytes of low index bits, 8 words: 4 times 3 high bits, 3 bits of scale, and the
// sign of delta.
void dequantize_iq1_s(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int sub = 0; sub < kSubBlocks; ++sub) {
    const uint16_t word = u16_at(block + 34 + 2 * sub);
    const float scale = d * float(2 * (word >> 12 & 7) + 1);
    const float delta = word & 0x8000 ? -kIq1Delta : kIq1Delta;
    for (int l = 0; l < 4; ++l) {
      const int index = block[2 + 4 * sub + l] | (word >> (3 * l) & 7) << 8;
      put_iq1(scale, kIq1Grid[index], delta, out + 32 * sub + 8 * l);
    }
  }
}

// 32 bytes of low index bits, 16 bytes of nibbles (3 high bits and the sign of delta for 8 values
// each), 4 words: 4 times 3 bits of scale for 16 values, and a nibble of the block's f16 scale.
void dequantize_iq1_m(const uint8_t* block, float* out) {
  const uint8_t* words = block + 48;
  uint16_t half = 0;
  for (int i = 0; i < 4; ++i) half = uint16_t(half | u16_at(words + 2 * i) >> 12 << (4 * i));
  const float d = f16_to_f32(half);
  for (int group = 0; group < 32; ++group) {
    const int sixteen = group / 2;
    const int bits = u16_at(words + 2 * (sixteen / 4)) >> (3 * (sixteen % 4)) & 7;
    const int nibble = block[32 + group / 2] >> (4 * (group % 2)) & 0xF;
    const float delta = nibble & 8 ? -kIq1Delta : kIq1Delta;
    put_iq1(d * float(2 * bits + 1), kIq1Grid[block[group] | (nibble & 7) << 8], delta,
            out + 8 * group);
  }
}

// f16 scale, then 16 bytes: low nibbles are values 0 to 15, high nibbles 16 to 31.
void dequantize_iq4_nl(const uint8_t* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * float(kIq4Values[block[2 + i] & 0xF]);
    out[i + 16] = d * float(kIq4Values[block[2 + i] >> 4]);
  }
}

// f16 scale, a word with 2 high bits and 4 bytes with 4 low bits of 8 scales, then 16 bytes of
// nibbles for each 32 values. Scales are 6 bits minus 32.
void dequantize_iq4_xs(const uint8_t* block, float* out) {
  const float d = half_at(block);
  const uint16_t high = u16_at(block + 2);
  for (int sub = 0; sub < kSubBlocks; ++sub) {
    const int low = block[4 + sub / 2] >> (4 * (sub % 2)) & 0xF;
    const float scale = d * float((low | (high >> (2 * sub) & 3) << 4) - 32);
    const uint8_t* codes = block + 8 + 16 * sub;
    for (int i = 0; i < 16; ++i) {
      out[32 * sub + i] = scale * float(kIq4Values[codes[i] & 0xF]);
      out[32 * sub + i + 16] = scale * float(kIq4Values[codes[i] >> 4]);
    }
  }
}

// A byte of scale, then 16 bytes of E2M1 codes placed as in IQ4_NL. The scale is E8M0: 2^(e - 127),
// and no number if e is 255; half of it goes with the doubled values of the table.
// Source: OCP Microscaling Formats (MX) Specification v1.0, sections 5.3 and 5.4.
void dequantize_mxfp4(const uint8_t* block, float* out) {
  const float scale = e8m0_to_f32(block[0]) * 0.5f;
  for (int i = 0; i < 16; ++i) {
    out[i] = float(kFp4Doubled[block[1 + i] & 0xF]) * scale;
    out[i + 16] = float(kFp4Doubled[block[1 + i] >> 4]) * scale;
  }
}

}  // namespace weft::model

#include "kernels/cpu/blocks.h"

#include <cstring>

#include "base/assert.h"

namespace weft::kernels {
namespace {

using model::TensorType;

// Eight codes at a time: loading a model takes all of its blocks apart.
uint64_t load64(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void store64(uint8_t* to, uint64_t value) {
  std::memcpy(to, &value, sizeof value);
}

constexpr uint64_t each_byte(uint8_t value) {
  return 0x0101010101010101u * value;
}

// `half` is a multiple of 8.
void read_nibbles(const uint8_t* packed, uint32_t half, uint8_t* codes) {
  for (uint32_t i = 0; i < half; i += 8) {
    const uint64_t both = load64(packed + i);
    store64(codes + i, both & each_byte(15));
    store64(codes + half + i, both >> 4 & each_byte(15));
  }
}

// Adds the bits `mask` of each byte of `high` >> shift above the nibbles of 32 codes.
void read_high_bits(const uint8_t* high, uint32_t shift, uint8_t mask, uint8_t* codes) {
  for (uint32_t i = 0; i < 32; i += 8) {
    const uint64_t bits = load64(high + i) >> shift & each_byte(mask);
    store64(codes + i, load64(codes + i) | bits << 4);
  }
}

void write_nibbles(const uint8_t* codes, uint32_t half, uint8_t* packed) {
  for (uint32_t i = 0; i < half; ++i) {
    packed[i] = uint8_t((codes[i] & 15) | (codes[half + i] & 15) << 4);
  }
}

// Twelve bytes hold 8 scales and 8 mins of 6 bits: the first four of each whole in bytes 0..7, the
// others' low 4 bits in bytes 8..11 and their high 2 bits on top of bytes 0..7.
void read_six_bit_scales(const uint8_t* packed, BlockParts& parts) {
  for (uint32_t j = 0; j < 4; ++j) {
    parts.scales[j] = packed[j] & 63;
    parts.mins[j] = packed[j + 4] & 63;
    parts.scales[j + 4] = uint8_t((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
    parts.mins[j + 4] = uint8_t(packed[j + 8] >> 4 | (packed[j + 4] >> 6) << 4);
  }
}

void write_six_bit_scales(const BlockParts& parts, uint8_t* packed) {
  for (uint32_t j = 0; j < 4; ++j) {
    packed[j] = uint8_t(parts.scales[j] | (parts.scales[j + 4] >> 4) << 6);
    packed[j + 4] = uint8_t(parts.mins[j] | (parts.mins[j + 4] >> 4) << 6);
    packed[j + 8] = uint8_t((parts.scales[j + 4] & 15) | (parts.mins[j + 4] & 15) << 4);
  }
}

void read_k_head(const uint8_t* block, BlockParts& parts) {
  std::memcpy(&parts.d, block, 2);
  std::memcpy(&parts.dmin, block + 2, 2);
  read_six_bit_scales(block + 4, parts);
}

void write_k_head(const BlockParts& parts, uint8_t* block) {
  std::memcpy(block, &parts.d, 2);
  std::memcpy(block + 2, &parts.dmin, 2);
  write_six_bit_scales(parts, block + 4);
}

void read_q5_k(const uint8_t* block, BlockParts& parts) {
  read_k_head(block, parts);
  const uint8_t* high = block + 16;
  for (uint32_t pair = 0; pair < 4; ++pair) {
    uint8_t* codes = parts.codes + 64 * pair;
    read_nibbles(block + 48 + 32 * pair, 32, codes);
    read_high_bits(high, 2 * pair, 1, codes);
    read_high_bits(high, 2 * pair + 1, 1, codes + 32);
  }
}

void write_q5_k(const BlockParts& parts, uint8_t* block) {
  write_k_head(parts, block);
  uint8_t* high = block + 16;
  std::memset(high, 0, 32);
  for (uint32_t pair = 0; pair < 4; ++pair) {
    const uint8_t* codes = parts.codes + 64 * pair;
    write_nibbles(codes, 32, block + 48 + 32 * pair);
    for (uint32_t i = 0; i < 32; ++i) {
      high[i] |= uint8_t((codes[i] >> 4) << (2 * pair) | (codes[32 + i] >> 4) << (2 * pair + 1));
    }
  }
}

// Each half of 128 values: 64 bytes of nibbles (values l and l + 32 low, l + 64 and l + 96 high)
// and 32 bytes with the upper two bits of the four values l + 32 i at bits 2i.
void read_q6_k(const uint8_t* block, BlockParts& parts) {
  for (uint32_t half = 0; half < 2; ++half) {
    uint8_t* codes = parts.codes + 128 * half;
    read_nibbles(block + 64 * half, 64, codes);
    const uint8_t* high = block + 128 + 32 * half;
    for (uint32_t i = 0; i < 4; ++i) read_high_bits(high, 2 * i, 3, codes + 32 * i);
  }
  std::memcpy(parts.scales, block + 192, 16);
  std::memcpy(&parts.d, block + 208, 2);
  parts.dmin = 0;
}

void write_q6_k(const BlockParts& parts, uint8_t* block) {
  std::memset(block + 128, 0, 64);
  for (uint32_t half = 0; half < 2; ++half) {
    const uint8_t* codes = parts.codes + 128 * half;
    write_nibbles(codes, 64, block + 64 * half);
    uint8_t* high = block + 128 + 32 * half;
    for (uint32_t i = 0; i < 128; ++i) high[i % 32] |= uint8_t((codes[i] >> 4) << (2 * (i / 32)));
  }
  std::memcpy(block + 192, parts.scales, 16);
  std::memcpy(block + 208, &parts.d, 2);
}

// The fifth bits of 32 codes, one in each bit.
void read_fifth_bits(const uint8_t* bits, uint8_t* codes) {
  for (uint32_t i = 0; i < 32; ++i) codes[i] |= uint8_t((bits[i / 8] >> (i % 8) & 1) << 4);
}

void write_fifth_bits(const uint8_t* codes, uint8_t* bits) {
  std::memset(bits, 0, 4);
  for (uint32_t i = 0; i < 32; ++i) bits[i / 8] |= uint8_t(codes[i] >> 4 << (i % 8));
}

// Two bits of each scale in 16, then their nibbles.
void read_iq4_xs(const uint8_t* block, BlockParts& parts) {
  std::memcpy(&parts.d, block, 2);
  const uint32_t high = block[2] | block[3] << 8;
  for (uint32_t s = 0; s < 8; ++s) {
    const uint32_t low = block[4 + s / 2] >> (4 * (s % 2)) & 15;
    parts.scales[s] = uint8_t(low | (high >> (2 * s) & 3) << 4);
    read_nibbles(block + 8 + 16 * s, 16, parts.codes + 32 * s);
  }
}

void write_iq4_xs(const BlockParts& parts, uint8_t* block) {
  std::memcpy(block, &parts.d, 2);
  std::memset(block + 2, 0, 6);
  for (uint32_t s = 0; s < 8; ++s) {
    block[2 + s / 4] |= uint8_t(parts.scales[s] >> 4 << (2 * (s % 4)));
    block[4 + s / 2] |= uint8_t((parts.scales[s] & 15) << (4 * (s % 2)));
    write_nibbles(parts.codes + 32 * s, 16, block + 8 + 16 * s);
  }
}

}  // namespace

void read_file_block(TensorType type, const uint8_t* block, BlockParts& parts) {
  switch (type) {
    case TensorType::kQ4_0:
    case TensorType::kIQ4_NL:
      std::memcpy(&parts.d, block, 2);
      return read_nibbles(block + 2, 16, parts.codes);
    case TensorType::kQ4_1:
      std::memcpy(&parts.d, block, 2);
      std::memcpy(&parts.dmin, block + 2, 2);
      return read_nibbles(block + 4, 16, parts.codes);
    case TensorType::kQ5_0:
      std::memcpy(&parts.d, block, 2);
      read_nibbles(block + 6, 16, parts.codes);
      return read_fifth_bits(block + 2, parts.codes);
    case TensorType::kQ5_1:
      std::memcpy(&parts.d, block, 2);
      std::memcpy(&parts.dmin, block + 2, 2);
      read_nibbles(block + 8, 16, parts.codes);
      return read_fifth_bits(block + 4, parts.codes);
    case TensorType::kMXFP4:
      parts.d = block[0];
      return read_nibbles(block + 1, 16, parts.codes);
    case TensorType::kIQ4_XS:
      return read_iq4_xs(block, parts);
    case TensorType::kQ8_0:
      std::memcpy(&parts.d, block, 2);
      std::memcpy(parts.codes, block + 2, 32);
      return;
    case TensorType::kQ4_K:
      read_k_head(block, parts);
      for (uint32_t pair = 0; pair < 4; ++pair) {
        read_nibbles(block + 16 + 32 * pair, 32, parts.codes + 64 * pair);
      }
      return;
    case TensorType::kQ5_K:
      return read_q5_k(block, parts);
    case TensorType::kQ6_K:
      return read_q6_k(block, parts);
    default:
      WEFT_ASSERT(!"a quantized type");
  }
}

void write_file_block(TensorType type, const BlockParts& parts, uint8_t* block) {
  switch (type) {
    case TensorType::kQ4_0:
    case TensorType::kIQ4_NL:
      std::memcpy(block, &parts.d, 2);
      return write_nibbles(parts.codes, 16, block + 2);
    case TensorType::kQ4_1:
      std::memcpy(block, &parts.d, 2);
      std::memcpy(block + 2, &parts.dmin, 2);
      return write_nibbles(parts.codes, 16, block + 4);
    case TensorType::kQ5_0:
      std::memcpy(block, &parts.d, 2);
      write_fifth_bits(parts.codes, block + 2);
      return write_nibbles(parts.codes, 16, block + 6);
    case TensorType::kQ5_1:
      std::memcpy(block, &parts.d, 2);
      std::memcpy(block + 2, &parts.dmin, 2);
      write_fifth_bits(parts.codes, block + 4);
      return write_nibbles(parts.codes, 16, block + 8);
    case TensorType::kMXFP4:
      block[0] = uint8_t(parts.d);
      return write_nibbles(parts.codes, 16, block + 1);
    case TensorType::kIQ4_XS:
      return write_iq4_xs(parts, block);
    case TensorType::kQ8_0:
      std::memcpy(block, &parts.d, 2);
      std::memcpy(block + 2, parts.codes, 32);
      return;
    case TensorType::kQ4_K:
      write_k_head(parts, block);
      for (uint32_t pair = 0; pair < 4; ++pair) {
        write_nibbles(parts.codes + 64 * pair, 32, block + 16 + 32 * pair);
      }
      return;
    case TensorType::kQ5_K:
      return write_q5_k(parts, block);
    case TensorType::kQ6_K:
      return write_q6_k(parts, block);
    default:
      WEFT_ASSERT(!"a quantized type");
  }
}

}  // namespace weft::kernels

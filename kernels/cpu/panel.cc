#include "kernels/cpu/panel.h"

#include <cstring>

#include "base/assert.h"
#include "kernels/cpu/blocks.h"

namespace weft::kernels {
namespace {

using model::TensorType;

constexpr uint32_t kGroupStride = 32;  // from one 8 x 4 byte group to the next
constexpr uint32_t kLaneBytes = 4;
constexpr uint64_t kHalvesBytes = 16;  // a half for each row
constexpr uint32_t kBlockBytesMax = 256;

uint32_t load32(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, 4);
  return value;
}

void store32(uint8_t* to, uint32_t value) {
  std::memcpy(to, &value, 4);
}

void put_half(uint16_t half, uint32_t lane, uint8_t* halves) {
  std::memcpy(halves + 2 * lane, &half, 2);
}

uint16_t get_half(const uint8_t* halves, uint32_t lane) {
  uint16_t half;
  std::memcpy(&half, halves + 2 * lane, 2);
  return half;
}

// The nibbles of 32 columns of one row: 4 words, 32 bytes apart.
void put_nibbles(const uint8_t* codes, uint8_t* lane) {
  for (uint32_t j = 0; j < 4; ++j) {
    const uint32_t low = load32(codes + 4 * j) & 0x0f0f0f0fu;
    const uint32_t high = load32(codes + 4 * (j + 4)) & 0x0f0f0f0fu;
    store32(lane + j * kGroupStride, low | high << 4);
  }
}

void get_nibbles(const uint8_t* lane, uint8_t* codes) {
  for (uint32_t j = 0; j < 4; ++j) {
    const uint32_t both = load32(lane + j * kGroupStride);
    store32(codes + 4 * j, both & 0x0f0f0f0fu);
    store32(codes + 4 * (j + 4), both >> 4 & 0x0f0f0f0fu);
  }
}

void put_k_scales(const BlockParts& parts, uint8_t* lane) {
  const uint32_t mins = load32(parts.mins);
  store32(lane, load32(parts.scales) | (mins & 0x03030303u) << 6);
  store32(lane + 32, load32(parts.scales + 4) | (mins >> 2 & 0x03030303u) << 6);
  store32(lane + 64, load32(parts.mins + 4) | (mins >> 4 & 0x03030303u) << 6);
}

void get_k_scales(const uint8_t* lane, BlockParts& parts) {
  const uint32_t words[3] = {load32(lane), load32(lane + 32), load32(lane + 64)};
  store32(parts.scales, words[0] & 0x3f3f3f3fu);
  store32(parts.scales + 4, words[1] & 0x3f3f3f3fu);
  store32(parts.mins + 4, words[2] & 0x3f3f3f3fu);
  store32(parts.mins, (words[0] >> 6 & 0x03030303u) | (words[1] >> 4 & 0x0c0c0c0cu) |
                          (words[2] >> 2 & 0x30303030u));
}

void put_xs_scales(const BlockParts& parts, uint32_t lane, uint8_t* panel) {
  const uint32_t first = load32(parts.scales);
  const uint32_t second = load32(parts.scales + 4);
  store32(panel + kXsScalesAt + lane * kLaneBytes,
          (first & 0x0f0f0f0fu) | (second & 0x0f0f0f0fu) << 4);
  const uint32_t f = first >> 4 & 0x03030303u;
  const uint32_t s = second >> 4 & 0x03030303u;
  put_half(uint16_t(f << 4 | f >> 16 << 2 | s << 6 | s >> 16), lane, panel + kXsHighAt);
}

void get_xs_scales(const uint8_t* panel, uint32_t lane, BlockParts& parts) {
  const uint32_t low = load32(panel + kXsScalesAt + lane * kLaneBytes);
  const uint32_t high = get_half(panel + kXsHighAt, lane) * 0x00010001u;
  store32(parts.scales,
          (low & 0x0f0f0f0fu) | (high & 0x00003030u) | (high << 2 & 0x30300000u));
  store32(parts.scales + 4,
          (low >> 4 & 0x0f0f0f0fu) | (high >> 2 & 0x00003030u) | (high << 4 & 0x30300000u));
}

// Bits above the nibble: `bits` of each code, 8 / bits groups to a word.
void put_high(const uint8_t* codes, uint32_t bits, uint8_t* lane) {
  const uint32_t mask = bits == 1 ? 0x01010101u : 0x03030303u;
  uint32_t word = 0;
  for (uint32_t g = 0; g < 8 / bits; ++g) {
    word |= (load32(codes + 4 * g) >> 4 & mask) << (bits * g);
  }
  store32(lane, word);
}

void get_high(const uint8_t* lane, uint32_t bits, uint8_t* codes) {
  const uint32_t mask = bits == 1 ? 0x01010101u : 0x03030303u;
  const uint32_t word = load32(lane);
  for (uint32_t g = 0; g < 8 / bits; ++g) {
    store32(codes + 4 * g, load32(codes + 4 * g) | (word >> (bits * g) & mask) << 4);
  }
}

bool has_min(TensorType type) {
  return type == TensorType::kQ4_1 || type == TensorType::kQ5_1;
}
bool has_fifth_bit(TensorType type) {
  return type == TensorType::kQ5_0 || type == TensorType::kQ5_1;
}

// Q4_0 to Q5_1.
void put_small(const BlockParts& parts, bool min, bool fifth_bit, uint32_t lane, uint8_t* panel) {
  const uint32_t at = lane * kLaneBytes;
  if (min) put_half(parts.dmin, lane, panel + kHalvesBytes);
  if (fifth_bit) put_high(parts.codes, 1, panel + fifth_bits_at(min) + at);
  put_nibbles(parts.codes, panel + nibbles_at(min, fifth_bit) + at);
}

void get_small(const uint8_t* panel, bool min, bool fifth_bit, uint32_t lane, BlockParts& parts) {
  const uint32_t at = lane * kLaneBytes;
  if (min) parts.dmin = get_half(panel + kHalvesBytes, lane);
  get_nibbles(panel + nibbles_at(min, fifth_bit) + at, parts.codes);
  if (fifth_bit) get_high(panel + fifth_bits_at(min) + at, 1, parts.codes);
}

void write_panel_block(TensorType type, const BlockParts& parts, uint32_t lane, uint8_t* panel) {
  const uint32_t at = lane * kLaneBytes;
  if (type != TensorType::kMXFP4) put_half(parts.d, lane, panel);
  switch (type) {
    case TensorType::kQ8_0:
      for (uint32_t j = 0; j < 8; ++j) {
        store32(panel + kSmallCodesAt + at + j * kGroupStride, load32(parts.codes + 4 * j));
      }
      return;
    case TensorType::kQ4_0:
    case TensorType::kQ4_1:
    case TensorType::kQ5_0:
    case TensorType::kQ5_1:
      return put_small(parts, has_min(type), has_fifth_bit(type), lane, panel);
    case TensorType::kIQ4_NL:
      return put_nibbles(parts.codes, panel + kSmallCodesAt + at);
    case TensorType::kMXFP4:
      panel[lane] = uint8_t(parts.d);
      return put_nibbles(parts.codes, panel + kMxCodesAt + at);
    case TensorType::kIQ4_XS:
      put_xs_scales(parts, lane, panel);
      for (uint32_t s = 0; s < 8; ++s) {
        put_nibbles(parts.codes + 32 * s, panel + kXsNibblesAt + 128 * s + at);
      }
      return;
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      put_half(parts.dmin, lane, panel + 16);
      put_k_scales(parts, panel + kKScalesAt + at);
      for (uint32_t s = 0; s < 8; ++s) {
        put_nibbles(parts.codes + 32 * s, panel + kKNibblesAt + 128 * s + at);
        if (type == TensorType::kQ5_K) {
          put_high(parts.codes + 32 * s, 1, panel + kQ5HighAt + 32 * s + at);
        }
      }
      return;
    case TensorType::kQ6_K:
      for (uint32_t i = 0; i < 4; ++i) {
        store32(panel + kQ6ScalesAt + 32 * i + at, load32(parts.scales + 4 * i));
      }
      for (uint32_t s = 0; s < 8; ++s) {
        put_nibbles(parts.codes + 32 * s, panel + kQ6NibblesAt + 128 * s + at);
      }
      for (uint32_t h = 0; h < 16; ++h) {
        put_high(parts.codes + 16 * h, 2, panel + kQ6HighAt + 32 * h + at);
      }
      return;
    default:
      WEFT_ASSERT(!"a quantized type");
  }
}

// Float types: value (k, lane) at element 8 k + lane.
void pack_float_row(const uint8_t* row, uint32_t element_bytes, uint32_t lane, uint32_t cols,
                    uint8_t* panel) {
  for (uint64_t k = 0; k < cols; ++k) {
    std::memcpy(panel + (k * kPanelRows + lane) * element_bytes, row + k * element_bytes,
                element_bytes);
  }
}

// What a twin has of each panel in one piece, at this byte of a panel's block.
uint64_t unit_bytes(TensorType type, uint64_t at) {
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  if (info.block_elements == 1) return uint64_t{info.block_bytes} * kPanelRows;
  if (type == TensorType::kMXFP4) return at < kMxCodesAt ? kMxCodesAt : kGroupStride;
  const bool two = has_min(type) || type == TensorType::kQ4_K || type == TensorType::kQ5_K ||
                   type == TensorType::kIQ4_XS;
  return at < (two ? 2 : 1) * kHalvesBytes ? kHalvesBytes : kGroupStride;
}

}  // namespace

bool is_quantized(TensorType type) {
  return model::tensor_type_info(type).block_elements > 1;
}

uint64_t panel_bytes(TensorType type, uint32_t cols) {
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  return uint64_t{cols / info.block_elements} * info.block_bytes * kPanelRows;
}

void pack_panel(TensorType type, const uint8_t* rows, uint64_t row_bytes, uint32_t row_count,
                uint32_t cols, uint8_t* panel) {
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  const uint32_t blocks = cols / info.block_elements;
  BlockParts parts;
  for (uint32_t lane = 0; lane < row_count; ++lane) {
    const uint8_t* row = rows + lane * row_bytes;
    if (info.block_elements == 1) {
      pack_float_row(row, info.block_bytes, lane, cols, panel);
      continue;
    }
    for (uint64_t b = 0; b < blocks; ++b) {
      read_file_block(type, row + b * info.block_bytes, parts);
      write_panel_block(type, parts, lane, panel + b * info.block_bytes * kPanelRows);
    }
  }
}

void make_twin(TensorType type, const uint8_t* first, const uint8_t* second, uint32_t cols,
               uint8_t* twin) {
  const uint64_t block_bytes = panel_bytes(type, model::tensor_type_info(type).block_elements);
  for (uint64_t at = 0; at < panel_bytes(type, cols);) {
    const uint64_t bytes = unit_bytes(type, at % block_bytes);
    std::memcpy(twin + 2 * at, first + at, bytes);
    std::memcpy(twin + 2 * at + bytes, second + at, bytes);
    at += bytes;
  }
}

void block_of_twin(TensorType type, const uint8_t* twin, uint32_t half, uint64_t index,
                   uint8_t* panel_block) {
  const uint64_t block_bytes = panel_bytes(type, model::tensor_type_info(type).block_elements);
  const uint8_t* block = twin + 2 * index * block_bytes;
  for (uint64_t at = 0; at < block_bytes;) {
    const uint64_t bytes = unit_bytes(type, at);
    std::memcpy(panel_block + at, block + 2 * at + half * bytes, bytes);
    at += bytes;
  }
}

void unpack_row(TensorType type, const uint8_t* panel, bool is_twin, uint32_t lane, uint32_t cols,
                uint8_t* row) {
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  uint8_t taken[kPanelRows * kBlockBytesMax];
  WEFT_ASSERT(info.block_bytes <= kBlockBytesMax);
  BlockParts parts;
  for (uint64_t b = 0; b < cols / info.block_elements; ++b) {
    const uint8_t* block = panel + b * info.block_bytes * kPanelRows;
    if (is_twin) {
      block_of_twin(type, panel, lane / kPanelRows, b, taken);
      block = taken;
    }
    uint8_t* to = row + b * info.block_bytes;
    if (info.block_elements == 1) {
      std::memcpy(to, block + lane % kPanelRows * info.block_bytes, info.block_bytes);
    } else {
      read_panel_block(type, block, lane % kPanelRows, parts);
      write_file_block(type, parts, to);
    }
  }
}

void read_panel_block(TensorType type, const uint8_t* panel, uint32_t lane, BlockParts& parts) {
  const uint32_t at = lane * kLaneBytes;
  parts.d = type == TensorType::kMXFP4 ? panel[lane] : get_half(panel, lane);
  switch (type) {
    case TensorType::kQ8_0:
      for (uint32_t j = 0; j < 8; ++j) {
        store32(parts.codes + 4 * j, load32(panel + kSmallCodesAt + at + j * kGroupStride));
      }
      return;
    case TensorType::kQ4_0:
    case TensorType::kQ4_1:
    case TensorType::kQ5_0:
    case TensorType::kQ5_1:
      return get_small(panel, has_min(type), has_fifth_bit(type), lane, parts);
    case TensorType::kIQ4_NL:
      return get_nibbles(panel + kSmallCodesAt + at, parts.codes);
    case TensorType::kMXFP4:
      return get_nibbles(panel + kMxCodesAt + at, parts.codes);
    case TensorType::kIQ4_XS:
      get_xs_scales(panel, lane, parts);
      for (uint32_t s = 0; s < 8; ++s) {
        get_nibbles(panel + kXsNibblesAt + 128 * s + at, parts.codes + 32 * s);
      }
      return;
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      parts.dmin = get_half(panel + 16, lane);
      get_k_scales(panel + kKScalesAt + at, parts);
      for (uint32_t s = 0; s < 8; ++s) {
        get_nibbles(panel + kKNibblesAt + 128 * s + at, parts.codes + 32 * s);
        if (type == TensorType::kQ5_K) {
          get_high(panel + kQ5HighAt + 32 * s + at, 1, parts.codes + 32 * s);
        }
      }
      return;
    case TensorType::kQ6_K:
      for (uint32_t i = 0; i < 4; ++i) {
        store32(parts.scales + 4 * i, load32(panel + kQ6ScalesAt + 32 * i + at));
      }
      for (uint32_t s = 0; s < 8; ++s) {
        get_nibbles(panel + kQ6NibblesAt + 128 * s + at, parts.codes + 32 * s);
      }
      for (uint32_t h = 0; h < 16; ++h) {
        get_high(panel + kQ6HighAt + 32 * h + at, 2, parts.codes + 16 * h);
      }
      return;
    default:
      WEFT_ASSERT(!"a quantized type");
  }
}

}  // namespace weft::kernels

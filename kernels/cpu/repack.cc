#include "kernels/cpu/repack.h"

#include <cmath>
#include <cstring>

#include "base/assert.h"
#include "kernels/cpu/blocks.h"
#include "model/codebooks.h"
#include "model/dequantize_blocks.h"

namespace weft::kernels {
namespace {

using model::TensorType;
using model::u16_at;
using model::u32_at;

constexpr uint32_t kQ8Bytes = 34;                     // a block of Q8_0
constexpr uint32_t kQ4Bytes = 18;                     // a block of Q4_0
constexpr uint64_t kRepackedBytesMax = 8 * kQ8Bytes;  // of a block of 256 values
constexpr uint16_t kHalfNaN = 0x7E00;

// One block of the file to the same values, at `out`.
using Repack = void (*)(const uint8_t* block, uint8_t* out);

void q5_0_to_q8_0(const uint8_t* block, uint8_t* out) {
  std::memcpy(out, block, 2);
  const uint32_t high = u32_at(block + 2);
  for (uint32_t i = 0; i < 16; ++i) {
    out[2 + i] = uint8_t(((block[6 + i] & 15) | (high >> i & 1) << 4) - 16);
    out[18 + i] = uint8_t((block[6 + i] >> 4 | (high >> (i + 16) & 1) << 4) - 16);
  }
}

void iq4_nl_to_q8_0(const uint8_t* block, uint8_t* out) {
  std::memcpy(out, block, 2);
  for (uint32_t i = 0; i < 16; ++i) {
    out[2 + i] = uint8_t(model::kIq4Values[block[2 + i] & 15]);
    out[18 + i] = uint8_t(model::kIq4Values[block[2 + i] >> 4]);
  }
}

// Exact where f16 has the scale, 2^-24 to 2^15 and half of E8M0's; beyond, it rounds to 0 or is
// infinite.
void mxfp4_to_q8_0(const uint8_t* block, uint8_t* out) {
  const uint16_t scale = model::f32_to_f16(model::e8m0_to_f32(block[0]) * 0.5f);
  std::memcpy(out, &scale, 2);
  for (uint32_t i = 0; i < 16; ++i) {
    out[2 + i] = uint8_t(model::kFp4Doubled[block[1 + i] & 15]);
    out[18 + i] = uint8_t(model::kFp4Doubled[block[1 + i] >> 4]);
  }
}

void put_q6_k(uint16_t d, const int8_t* scales, const int8_t* codes, uint8_t* out) {
  BlockParts parts;
  parts.d = d;
  std::memcpy(parts.scales, scales, 16);
  for (uint32_t i = 0; i < 256; ++i) parts.codes[i] = uint8_t(codes[i] + 32);
  write_file_block(TensorType::kQ6_K, parts, out);
}

void q3_k_to_q6_k(const uint8_t* block, uint8_t* out) {
  int8_t scales[16];
  int8_t codes[256];
  model::read_q3_k(block, scales, codes);
  put_q6_k(u16_at(block + 108), scales, codes, out);
}

void iq3_s_to_q6_k(const uint8_t* block, uint8_t* out) {
  int8_t scales[8];
  int8_t twice[16];
  int8_t codes[256];
  model::read_iq3_s(block, scales, codes);
  for (uint32_t i = 0; i < 16; ++i) twice[i] = scales[i / 2];
  put_q6_k(u16_at(block), twice, codes, out);
}

// `codes` are 0 to 2 for -1 to 1.
void put_ternary(const uint8_t* d, const uint8_t* codes, uint8_t* out) {
  for (uint32_t b = 0; b < 8; ++b, codes += 32, out += kQ4Bytes) {
    std::memcpy(out, d, 2);
    for (uint32_t i = 0; i < 16; ++i) {
      out[2 + i] = uint8_t((codes[i] + 7) | (codes[i + 16] + 7) << 4);
    }
  }
}

void tq1_0_to_q4_0(const uint8_t* block, uint8_t* out) {
  uint8_t codes[256];
  model::read_tq1_0(block, codes);
  put_ternary(block + 52, codes, out);
}

// A pair of bits can be 3 in a file: 2, one more than the ternary values.
void tq2_0_to_q4_0(const uint8_t* block, uint8_t* out) {
  uint8_t codes[256];
  model::read_tq2_0(block, codes);
  put_ternary(block + 64, codes, out);
}

// 32 values to the nearest ones of Q8_0.
void round_to_q8_0(const float* values, uint8_t* out) {
  constexpr float kHalfMax = 65504;
  float largest = 0;
  float odd = 0;  // no number, if any value is infinite or none
  for (uint32_t i = 0; i < 32; ++i) {
    largest = std::fmax(largest, std::fabs(values[i]));
    odd += values[i] * 0;
  }
  const uint16_t half = odd == 0 ? model::f32_to_f16(std::fmin(largest / 127, kHalfMax)) : kHalfNaN;
  const float inverse = 1 / model::f16_to_f32(half);
  std::memcpy(out, &half, 2);
  const bool usable = odd == 0 && std::isfinite(inverse);
  for (uint32_t i = 0; i < 32; ++i) {
    const float code = usable ? std::fmin(std::fmax(values[i] * inverse, -127.0f), 127.0f) : 0;
    out[2 + i] = uint8_t(int8_t(std::lrint(code)));
  }
}

Repack exact_repack(TensorType type) {
  switch (type) {
    case TensorType::kQ5_0:
      return q5_0_to_q8_0;
    case TensorType::kIQ4_NL:
      return iq4_nl_to_q8_0;
    case TensorType::kMXFP4:
      return mxfp4_to_q8_0;
    case TensorType::kQ3_K:
      return q3_k_to_q6_k;
    case TensorType::kIQ3_S:
      return iq3_s_to_q6_k;
    case TensorType::kTQ1_0:
      return tq1_0_to_q4_0;
    case TensorType::kTQ2_0:
      return tq2_0_to_q4_0;
    default:
      return nullptr;
  }
}

}  // namespace

KeptAs kept_as(TensorType type) {
  switch (type) {
    case TensorType::kF32:
    case TensorType::kF16:
    case TensorType::kBF16:
    case TensorType::kQ8_0:
    case TensorType::kQ4_0:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
    case TensorType::kQ6_K:
      return {type, true};
    case TensorType::kQ5_0:
    case TensorType::kIQ4_NL:
      return {TensorType::kQ8_0, true};
    case TensorType::kQ3_K:
    case TensorType::kIQ3_S:
      return {TensorType::kQ6_K, true};
    case TensorType::kTQ1_0:
    case TensorType::kTQ2_0:
      return {TensorType::kQ4_0, true};
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ2_K:
    case TensorType::kIQ1_S:
    case TensorType::kIQ1_M:
    case TensorType::kIQ2_XXS:
    case TensorType::kIQ2_XS:
    case TensorType::kIQ2_S:
    case TensorType::kIQ3_XXS:
    case TensorType::kIQ4_XS:
    case TensorType::kMXFP4:
      return {TensorType::kQ8_0, false};
  }
  assert_failed(__FILE__, __LINE__, "tensor type is one of TensorType's enumerators");
}

uint64_t kept_bytes(const model::GgufTensor& tensor, WeightUse use) {
  const KeptAs kept = kept_as(tensor.type);
  if (use == WeightUse::kLookup) {
    if (tensor.dims.size() == 1) return tensor.elements * sizeof(float);
    if (kept.exact) return tensor.bytes;
  }
  return model::tensor_bytes(kept.type, tensor.elements);
}

void repack(TensorType type, ByteView blocks, std::span<uint8_t> out) {
  const model::TensorTypeInfo& from = model::tensor_type_info(type);
  const model::TensorTypeInfo& to = model::tensor_type_info(kept_as(type).type);
  const uint64_t count = blocks.size() / from.block_bytes;
  const uint64_t out_bytes = uint64_t{from.block_elements / to.block_elements} * to.block_bytes;
  WEFT_ASSERT(blocks.size() % from.block_bytes == 0 && out.size() == count * out_bytes);
  if (from.type == to.type) {
    if (!blocks.empty()) std::memcpy(out.data(), blocks.data(), blocks.size());
    return;
  }
  const Repack exact = exact_repack(type);
  for (uint64_t b = 0; b < count; ++b) {
    const ByteView block = blocks.subspan(b * from.block_bytes, from.block_bytes);
    uint8_t* at = out.data() + b * out_bytes;
    if (exact != nullptr) {
      exact(block.data(), at);
      continue;
    }
    float values[kBlockElementsMax];
    model::dequantize(type, block, {values, from.block_elements});
    for (uint32_t i = 0; i < from.block_elements / 32; ++i) {
      round_to_q8_0(values + 32 * i, at + kQ8Bytes * i);
    }
  }
}

void repack_panel(TensorType type, const uint8_t* rows, uint64_t row_bytes, uint32_t row_count,
                  uint32_t cols, uint8_t* panel) {
  const TensorType kept = kept_as(type).type;
  if (kept == type) return pack_panel(type, rows, row_bytes, row_count, cols, panel);
  // Block by block of the file, of all rows: what lies between stays in the cache.
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  const uint64_t kept_bytes_each = model::tensor_bytes(kept, info.block_elements);
  const uint64_t step = panel_bytes(kept, info.block_elements);
  uint8_t blocks[kPanelRows * kRepackedBytesMax];
  WEFT_ASSERT(row_count <= kPanelRows && kept_bytes_each <= kRepackedBytesMax);
  for (uint32_t b = 0; b < cols / info.block_elements; ++b, panel += step) {
    for (uint32_t row = 0; row < row_count; ++row) {
      const uint8_t* block = rows + row * row_bytes + uint64_t{b} * info.block_bytes;
      repack(type, {block, info.block_bytes}, {blocks + row * kept_bytes_each, kept_bytes_each});
    }
    pack_panel(kept, blocks, kept_bytes_each, row_count, info.block_elements, panel);
  }
}

}  // namespace weft::kernels

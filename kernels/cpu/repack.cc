#include "kernels/cpu/repack.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.h"
#include "kernels/cpu/blocks.h"
#include "model/dequantize_blocks.h"
#include "model/float4.h"

namespace weft::kernels {
namespace {

using model::TensorType;
using model::u16_at;

constexpr uint32_t kQ8Bytes = 34;                     // a block of Q8_0
constexpr uint32_t kQ4Bytes = 18;                     // a block of Q4_0
constexpr uint64_t kRepackedBytesMax = 8 * kQ8Bytes;  // of a block of 256 values
constexpr uint16_t kHalfNaN = 0x7E00;

// One block of the file to blocks of what it is kept as.
using Repack = void (*)(const uint8_t* block, uint8_t* out);

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
  using model::Float4;
  constexpr float kHalfMax = 65504;
  Float4 largest{}, odd{};  // odd: no number, if any value is infinite or none
  for (uint32_t i = 0; i < 32; i += 4) {
    const Float4 four = model::load4(values + i);
    largest = model::max4(largest, model::max4(four, -four));
    odd += four * 0;
  }
  const bool finite = model::sum_of(odd) == 0;
  const float most = std::max(std::max(largest[0], largest[1]), std::max(largest[2], largest[3]));
  const uint16_t half = finite ? model::f32_to_f16(std::min(most / 127, kHalfMax)) : kHalfNaN;
  const float inverse = 1 / model::f16_to_f32(half);
  std::memcpy(out, &half, 2);
  if (!finite || !std::isfinite(inverse)) {
    std::memset(out + 2, 0, 32);
    return;
  }
  using Int4 = int32_t __attribute__((vector_size(16)));
  for (uint32_t i = 0; i < 32; i += 4) {
    const Float4 codes = model::round4(model::load4(values + i) * inverse, -127, 127);
    const Int4 whole = __builtin_convertvector(codes, Int4);
    for (uint32_t lane = 0; lane < 4; ++lane) out[2 + i + lane] = uint8_t(whole[lane]);
  }
}

template <void (*dequantize)(const uint8_t*, float*), uint32_t kElements>
void rounded(const uint8_t* block, uint8_t* out) {
  float values[kElements];
  dequantize(block, values);
  for (uint32_t i = 0; i < kElements / 32; ++i) {
    round_to_q8_0(values + 32 * i, out + kQ8Bytes * i);
  }
}

// How a type's blocks become those it is kept as; null for a type that stays as it is.
Repack repack_of(TensorType type) {
  switch (type) {
    case TensorType::kQ3_K:
      return q3_k_to_q6_k;
    case TensorType::kIQ3_S:
      return iq3_s_to_q6_k;
    case TensorType::kTQ1_0:
      return tq1_0_to_q4_0;
    case TensorType::kTQ2_0:
      return tq2_0_to_q4_0;
    case TensorType::kQ2_K:
      return rounded<model::dequantize_q2_k, 256>;
    case TensorType::kIQ1_S:
      return rounded<model::dequantize_iq1_s, 256>;
    case TensorType::kIQ1_M:
      return rounded<model::dequantize_iq1_m, 256>;
    case TensorType::kIQ2_XXS:
      return rounded<model::dequantize_iq2_xxs, 256>;
    case TensorType::kIQ2_XS:
      return rounded<model::dequantize_iq2_xs, 256>;
    case TensorType::kIQ2_S:
      return rounded<model::dequantize_iq2_s, 256>;
    case TensorType::kIQ3_XXS:
      return rounded<model::dequantize_iq3_xxs, 256>;
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
    case TensorType::kQ4_1:
    case TensorType::kQ5_0:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
    case TensorType::kQ6_K:
    case TensorType::kIQ4_NL:
    case TensorType::kIQ4_XS:
    case TensorType::kMXFP4:
      return {type, true};
    case TensorType::kQ3_K:
    case TensorType::kIQ3_S:
      return {TensorType::kQ6_K, true};
    case TensorType::kTQ1_0:
    case TensorType::kTQ2_0:
      return {TensorType::kQ4_0, true};
    case TensorType::kQ2_K:
    case TensorType::kIQ1_S:
    case TensorType::kIQ1_M:
    case TensorType::kIQ2_XXS:
    case TensorType::kIQ2_XS:
    case TensorType::kIQ2_S:
    case TensorType::kIQ3_XXS:
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
  const Repack repack_block = repack_of(type);
  for (uint64_t b = 0; b < count; ++b) {
    repack_block(blocks.data() + b * from.block_bytes, out.data() + b * out_bytes);
  }
}

void repack_panel(TensorType type, const uint8_t* rows, uint64_t row_bytes, uint32_t row_count,
                  uint32_t cols, uint8_t* panel) {
  const TensorType kept = kept_as(type).type;
  if (kept == type) return pack_panel(type, rows, row_bytes, row_count, cols, panel);
  // Block by block of the file, of all rows: what lies between stays in the cache.
  const Repack repack_block = repack_of(type);
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  const uint64_t kept_bytes_each = model::tensor_bytes(kept, info.block_elements);
  const uint64_t step = panel_bytes(kept, info.block_elements);
  uint8_t blocks[kPanelRows * kRepackedBytesMax];
  WEFT_ASSERT(row_count <= kPanelRows && kept_bytes_each <= kRepackedBytesMax);
  for (uint32_t b = 0; b < cols / info.block_elements; ++b, panel += step) {
    for (uint32_t row = 0; row < row_count; ++row) {
      const uint8_t* block = rows + row * row_bytes + uint64_t{b} * info.block_bytes;
      repack_block(block, blocks + row * kept_bytes_each);
    }
    pack_panel(kept, blocks, kept_bytes_each, row_count, info.block_elements, panel);
  }
}

}  // namespace weft::kernels

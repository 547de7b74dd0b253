// The tensor types of GGUF that weft computes with, and the size of their blocks.
// Source: the GGUF specification (ggml docs/gguf.md), type numbers as in the file.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::model {

enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
};

// A type is stored in blocks of `block_elements` values that take `block_bytes` bytes.
struct TensorTypeInfo {
  TensorType type;
  std::string_view name;  // "Q4_K"
  uint32_t block_elements;
  uint32_t block_bytes;
};

// kUnsupported for a type that exists but is not computed here (by name), kCorrupt for a number
// that is no type or was removed from the format.
Result<TensorTypeInfo> tensor_type_from_file(uint32_t number);
// Every supported type.
std::span<const TensorTypeInfo> all_tensor_types();
// A supported type's facts; never fails.
const TensorTypeInfo& tensor_type_info(TensorType type);
// Bytes of `elements` values; elements must be a multiple of the block (asserted).
uint64_t tensor_bytes(TensorType type, uint64_t elements);

// Decodes whole blocks to f32. blocks.size() must be what tensor_bytes says for out.size().
// Bit for bit what the format defines: f16 scales to f32, then f32 products and sums.
void dequantize(TensorType type, ByteView blocks, std::span<float> out);

// Half and bfloat16 conversions, round to nearest even.
float f16_to_f32(uint16_t half);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t value);
uint16_t f32_to_bf16(float value);
// MXFP4's scale, E8M0: 2^(exponent - 127); 255 is no number.
// Source: OCP Microscaling Formats (MX) Specification v1.0, section 5.4.1.
float e8m0_to_f32(uint8_t exponent);

}  // namespace weft::model

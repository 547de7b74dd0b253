#include "model/tensor_type.h"

#include <array>
#include <bit>
#include <limits>
#include <string>

#include "base/text.h"

namespace weft::model {
namespace {

constexpr std::array<TensorTypeInfo, 25> kSupported = {{
    {TensorType::kF32, "F32", 1, 4},
    {TensorType::kF16, "F16", 1, 2},
    {TensorType::kBF16, "BF16", 1, 2},
    {TensorType::kQ8_0, "Q8_0", 32, 34},
    {TensorType::kQ4_0, "Q4_0", 32, 18},
    {TensorType::kQ4_1, "Q4_1", 32, 20},
    {TensorType::kQ5_0, "Q5_0", 32, 22},
    {TensorType::kQ5_1, "Q5_1", 32, 24},
    {TensorType::kQ2_K, "Q2_K", 256, 84},
    {TensorType::kQ3_K, "Q3_K", 256, 110},
    {TensorType::kQ4_K, "Q4_K", 256, 144},
    {TensorType::kQ5_K, "Q5_K", 256, 176},
    {TensorType::kQ6_K, "Q6_K", 256, 210},
    {TensorType::kIQ1_S, "IQ1_S", 256, 50},
    {TensorType::kIQ1_M, "IQ1_M", 256, 56},
    {TensorType::kIQ2_XXS, "IQ2_XXS", 256, 66},
    {TensorType::kIQ2_XS, "IQ2_XS", 256, 74},
    {TensorType::kIQ2_S, "IQ2_S", 256, 82},
    {TensorType::kIQ3_XXS, "IQ3_XXS", 256, 98},
    {TensorType::kIQ3_S, "IQ3_S", 256, 110},
    {TensorType::kIQ4_NL, "IQ4_NL", 32, 18},
    {TensorType::kIQ4_XS, "IQ4_XS", 256, 136},
    {TensorType::kTQ1_0, "TQ1_0", 256, 54},
    {TensorType::kTQ2_0, "TQ2_0", 256, 66},
    {TensorType::kMXFP4, "MXFP4", 32, 17},
}};

struct KnownType {
  uint32_t number;
  std::string_view name;
};

// Types of the format that weft does not compute with. Numbers between that are missing here were
// given out once and removed from the format (4, 5, 31 to 33, 36 to 38).
constexpr KnownType kUnsupported[] = {{9, "Q8_1"},  {15, "Q8_K"}, {24, "I8"},  {25, "I16"},
                                      {26, "I32"},  {27, "I64"},  {28, "F64"}, {40, "NVFP4"},
                                      {41, "Q1_0"}, {42, "Q2_0"}};

std::string supported_names() {
  std::string names;
  for (const TensorTypeInfo& info : kSupported) names += cat(names.empty() ? "" : ", ", info.name);
  return names;
}

}  // namespace

Result<TensorTypeInfo> tensor_type_from_file(uint32_t number) {
  for (const TensorTypeInfo& info : kSupported) {
    if (uint32_t(info.type) == number) return info;
  }
  for (const KnownType& known : kUnsupported) {
    if (known.number == number) {
      return Error(ErrorCode::kUnsupported,
                   cat("type ", known.name, " is not supported (supported: ", supported_names(),
                       "); choose another quantization of the model"));
    }
  }
  return Error(ErrorCode::kCorrupt,
               cat("type number ", number, " is no tensor type or was removed from the format"));
}

std::span<const TensorTypeInfo> all_tensor_types() {
  return kSupported;
}

const TensorTypeInfo& tensor_type_info(TensorType type) {
  for (const TensorTypeInfo& info : kSupported) {
    if (info.type == type) return info;
  }
  assert_failed(__FILE__, __LINE__, "tensor type is one of TensorType's enumerators");
}

uint64_t tensor_bytes(TensorType type, uint64_t elements) {
  const TensorTypeInfo& info = tensor_type_info(type);
  WEFT_ASSERT(elements % info.block_elements == 0);
  const uint64_t blocks = elements / info.block_elements;
  WEFT_ASSERT(blocks <= UINT64_MAX / info.block_bytes);
  return blocks * info.block_bytes;
}

float f16_to_f32(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1F;
  const uint32_t fraction = half & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000 | fraction << 13);
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in f32
    const float magnitude = float(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) {  // NaN stays a (quiet) NaN
    return uint16_t(sign | 0x7E00 | (magnitude >> 13 & 0x1FF));
  }
  if (magnitude >= 0x477FF000) return uint16_t(sign | 0x7C00);  // rounds past 65504
  if (magnitude < 0x38800000) {  // below 2^-14: subnormal; adding 0.5 rounds at 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return uint16_t(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000));
  }
  const uint32_t odd = magnitude >> 13 & 1;
  return uint16_t(sign | (magnitude - 0x38000000 + 0xFFF + odd) >> 13);
}

float bf16_to_f32(uint16_t value) {
  return std::bit_cast<float>(uint32_t(value) << 16);
}

uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float e8m0_to_f32(uint8_t exponent) {
  if (exponent == 255) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return 0x1p-127f;  // below the normal numbers
  return std::bit_cast<float>(uint32_t{exponent} << 23);
}

}  // namespace weft::model

#include "model/tensor_type.h"

#include <array>
#include <bit>
#include <string>

#include "base/text.h"

namespace weft::model {
namespace {

constexpr std::array<TensorTypeInfo, 8> kSupported = {{
    {TensorType::kF32, "F32", 1, 4},
    {TensorType::kF16, "F16", 1, 2},
    {TensorType::kBF16, "BF16", 1, 2},
    {TensorType::kQ8_0, "Q8_0", 32, 34},
    {TensorType::kQ4_0, "Q4_0", 32, 18},
    {TensorType::kQ4_K, "Q4_K", 256, 144},
    {TensorType::kQ5_K, "Q5_K", 256, 176},
    {TensorType::kQ6_K, "Q6_K", 256, 210},
}};

struct KnownType {
  uint32_t number;
  std::string_view name;
};

// Types of the format that weft does not compute with. Numbers between that are missing here were
// given out once and removed from the format (4, 5, 31 to 33, 36 to 38).
constexpr KnownType kUnsupported[] = {
    {3, "Q4_1"},   {6, "Q5_0"},     {7, "Q5_1"},    {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},
    {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},
    {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},   {26, "I32"},
    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},  {34, "TQ1_0"},   {35, "TQ2_0"}, {39, "MXFP4"},
};

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

}  // namespace weft::model

// Block layouts of GGUF's quantizations, decoded to f32: which decoder a type has, and the types in
// blocks of 32.
#include "model/dequantize_blocks.h"

namespace weft::model {

// f16 scale, then 32 signed bytes.
void dequantize_q8_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = float(int8_t(block[2 + i])) * scale;
}

// f16 scale, then 16 bytes: low nibbles are values 0 to 15, high nibbles 16 to 31, minus 8.
void dequantize_q4_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = float(int(block[2 + i] & 0xF) - 8) * scale;
    out[i + 16] = float(int(block[2 + i] >> 4) - 8) * scale;
  }
}

// As Q4_0 without the offset of 8, and an f16 minimum after the scale.
void dequantize_q4_1(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = float(block[4 + i] & 0xF) * scale + minimum;
    out[i + 16] = float(block[4 + i] >> 4) * scale + minimum;
  }
}

// As Q4_0, with 4 bytes before the nibbles: bit i is the fifth bit of value i. Values minus 16.
void dequantize_q5_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const uint32_t high = u32_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    const int low_value = (block[6 + i] & 0xF) | int(high >> i & 1) << 4;
    const int high_value = block[6 + i] >> 4 | int(high >> (i + 16) & 1) << 4;
    out[i] = float(low_value - 16) * scale;
    out[i + 16] = float(high_value - 16) * scale;
  }
}

// As Q5_0 without the offset of 16, and an f16 minimum after the scale.
void dequantize_q5_1(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  const uint32_t high = u32_at(block + 4);
  for (int i = 0; i < 16; ++i) {
    const int low_value = (block[8 + i] & 0xF) | int(high >> i & 1) << 4;
    const int high_value = block[8 + i] >> 4 | int(high >> (i + 16) & 1) << 4;
    out[i] = float(low_value) * scale + minimum;
    out[i + 16] = float(high_value) * scale + minimum;
  }
}

namespace {

using Decode = void (*)(const uint8_t* block, float* out);

Decode decoder(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return [](const uint8_t* in, float* to) { std::memcpy(to, in, sizeof *to); };
    case TensorType::kF16:
      return [](const uint8_t* in, float* to) { *to = half_at(in); };
    case TensorType::kBF16:
      return [](const uint8_t* in, float* to) { *to = bf16_to_f32(u16_at(in)); };
    case TensorType::kQ8_0:
      return dequantize_q8_0;
    case TensorType::kQ4_0:
      return dequantize_q4_0;
    case TensorType::kQ4_1:
      return dequantize_q4_1;
    case TensorType::kQ5_0:
      return dequantize_q5_0;
    case TensorType::kQ5_1:
      return dequantize_q5_1;
    case TensorType::kQ2_K:
      return dequantize_q2_k;
    case TensorType::kQ3_K:
      return dequantize_q3_k;
    case TensorType::kQ4_K:
      return dequantize_q4_k;
    case TensorType::kQ5_K:
      return dequantize_q5_k;
    case TensorType::kQ6_K:
      return dequantize_q6_k;
    case TensorType::kTQ1_0:
      return dequantize_tq1_0;
    case TensorType::kTQ2_0:
      return dequantize_tq2_0;
    case TensorType::kIQ1_S:
      return dequantize_iq1_s;
    case TensorType::kIQ1_M:
      return dequantize_iq1_m;
    case TensorType::kIQ2_XXS:
      return dequantize_iq2_xxs;
    case TensorType::kIQ2_XS:
      return dequantize_iq2_xs;
    case TensorType::kIQ2_S:
      return dequantize_iq2_s;
    case TensorType::kIQ3_XXS:
      return dequantize_iq3_xxs;
    case TensorType::kIQ3_S:
      return dequantize_iq3_s;
    case TensorType::kIQ4_NL:
      return dequantize_iq4_nl;
    case TensorType::kIQ4_XS:
      return dequantize_iq4_xs;
    case TensorType::kMXFP4:
      return dequantize_mxfp4;
  }
  assert_failed(__FILE__, __LINE__, "tensor type is one of TensorType's enumerators");
}

}  // namespace

void dequantize(TensorType type, ByteView blocks, std::span<float> out) {
  WEFT_ASSERT(blocks.size() == tensor_bytes(type, out.size()));
  if (out.empty()) return;
  const Decode decode = decoder(type);
  const TensorTypeInfo& info = tensor_type_info(type);
  const uint8_t* in = blocks.data();
  for (size_t at = 0; at < out.size(); at += info.block_elements, in += info.block_bytes) {
    decode(in, out.data() + at);
  }
}

}  // namespace weft::model

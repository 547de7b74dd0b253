// Block layouts of GGUF's quantizations, decoded to f32.
// Source: the GGUF specification and the published layouts of the "legacy" and "K" quantizations.
#include <cstring>

#include "model/k_scales.h"
#include "model/tensor_type.h"

namespace weft::model {
namespace {

float half_at(const uint8_t* bytes) {
  uint16_t half;
  std::memcpy(&half, bytes, sizeof half);
  return f16_to_f32(half);
}

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

template <typename Decode>
void each_block(TensorType type, ByteView blocks, std::span<float> out, Decode decode) {
  const TensorTypeInfo& info = tensor_type_info(type);
  const uint8_t* in = blocks.data();
  for (size_t at = 0; at < out.size(); at += info.block_elements, in += info.block_bytes) {
    decode(in, out.data() + at);
  }
}

}  // namespace

void dequantize(TensorType type, ByteView blocks, std::span<float> out) {
  WEFT_ASSERT(blocks.size() == tensor_bytes(type, out.size()));
  switch (type) {
    case TensorType::kF32:
      if (!out.empty()) std::memcpy(out.data(), blocks.data(), blocks.size());
      return;
    case TensorType::kF16:
      return each_block(type, blocks, out, [](const uint8_t* in, float* to) { *to = half_at(in); });
    case TensorType::kBF16:
      return each_block(type, blocks, out, [](const uint8_t* in, float* to) {
        uint16_t value;
        std::memcpy(&value, in, sizeof value);
        *to = bf16_to_f32(value);
      });
    case TensorType::kQ8_0:
      return each_block(type, blocks, out, dequantize_q8_0);
    case TensorType::kQ4_0:
      return each_block(type, blocks, out, dequantize_q4_0);
    case TensorType::kQ4_K:
      return each_block(type, blocks, out, dequantize_q4_k);
    case TensorType::kQ5_K:
      return each_block(type, blocks, out, dequantize_q5_k);
    case TensorType::kQ6_K:
      return each_block(type, blocks, out, dequantize_q6_k);
  }
}

}  // namespace weft::model

#include "model/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/k_scales.h"

namespace weft::model {
namespace {

// Stores `value` as f16 and gives what a reader will see: quants are chosen for that.
float put_half(uint8_t* out, float value) {
  const uint16_t half = f32_to_f16(value);
  std::memcpy(out, &half, sizeof half);
  return f16_to_f32(half);
}

// round(value / step) within [low, high]; low's side of zero where the step is zero.
int round_to(float value, float step, int low, int high) {
  if (step == 0) return std::clamp(0, low, high);
  return int(std::clamp(std::nearbyint(value / step), float(low), float(high)));
}

// The value of largest magnitude, with its sign.
float extreme(const float* in, int count) {
  return *std::max_element(in, in + count,
                           [](float a, float b) { return std::fabs(a) < std::fabs(b); });
}

void quantize_q8_0(const float* in, uint8_t* out) {
  const float step = put_half(out, std::fabs(extreme(in, 32)) / 127);
  for (int i = 0; i < 32; ++i) out[2 + i] = uint8_t(int8_t(round_to(in[i], step, -127, 127)));
}

// The extreme maps to -8, the one value that has no opposite.
void quantize_q4_0(const float* in, uint8_t* out) {
  const float step = put_half(out, extreme(in, 32) / -8);
  for (int i = 0; i < 16; ++i) {
    const int low = round_to(in[i], step, -8, 7) + 8;
    const int high = round_to(in[i + 16], step, -8, 7) + 8;
    out[2 + i] = uint8_t(low | high << 4);
  }
}

// Q4_K and Q5_K: value = scale * k.scale * quant - minimum * k.minimum, quants 0 to `top`.
// `quants` receives all 256; the block's first 16 bytes are written.
void quantize_k(const float* in, int top, uint8_t* out, uint8_t* quants) {
  float steps[kKSubBlocks], minima[kKSubBlocks];
  for (int sub = 0; sub < kKSubBlocks; ++sub) {
    const float* values = in + sub * 32;
    const float low = std::min(0.0f, *std::min_element(values, values + 32));
    const float high = std::max(low, *std::max_element(values, values + 32));
    steps[sub] = (high - low) / float(top);
    minima[sub] = -low;
  }
  const float scale = put_half(out, *std::max_element(steps, steps + kKSubBlocks) / 63);
  const float minimum = put_half(out + 2, *std::max_element(minima, minima + kKSubBlocks) / 63);
  KScale scales[kKSubBlocks];
  for (int sub = 0; sub < kKSubBlocks; ++sub) {
    scales[sub].scale = uint8_t(round_to(steps[sub], scale, 0, 63));
    scales[sub].minimum = uint8_t(round_to(minima[sub], minimum, 0, 63));
    const float step = scale * float(scales[sub].scale);
    const float offset = minimum * float(scales[sub].minimum);
    for (int i = 0; i < 32; ++i) {
      quants[sub * 32 + i] = uint8_t(round_to(in[sub * 32 + i] + offset, step, 0, top));
    }
  }
  pack_k_scales(scales, out + 4);
}

// Low nibbles: each run of 32 bytes holds sub-blocks 2k and 2k + 1.
void put_nibbles(const uint8_t* quants, uint8_t* out) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      const uint8_t* run = quants + pair * 64 + i;
      out[pair * 32 + i] = uint8_t((run[0] & 0xF) | (run[32] & 0xF) << 4);
    }
  }
}

void quantize_q4_k(const float* in, uint8_t* out) {
  uint8_t quants[256];
  quantize_k(in, 15, out, quants);
  put_nibbles(quants, out + 16);
}

void quantize_q5_k(const float* in, uint8_t* out) {
  uint8_t quants[256];
  quantize_k(in, 31, out, quants);
  std::memset(out + 16, 0, 32);
  for (int at = 0; at < 256; ++at) out[16 + at % 32] |= uint8_t(quants[at] >> 4 << (at / 32));
  put_nibbles(quants, out + 48);
}

void quantize_q6_k(const float* in, uint8_t* out) {
  float steps[16];
  for (int sub = 0; sub < 16; ++sub) steps[sub] = std::fabs(extreme(in + sub * 16, 16)) / 31;
  const float scale = put_half(out + 208, *std::max_element(steps, steps + 16) / 127);
  std::memset(out, 0, 192);
  for (int sub = 0; sub < 16; ++sub) {
    const int sub_scale = round_to(steps[sub], scale, 0, 127);
    out[192 + sub] = uint8_t(sub_scale);
    for (int i = 0; i < 16; ++i) {
      const int quant = round_to(in[sub * 16 + i], scale * float(sub_scale), -32, 31) + 32;
      // Where the decoder looks: half of 128, quarter of 32 within it, element of the quarter.
      const int half = sub / 8, quarter = sub % 8 / 2, element = sub % 2 * 16 + i;
      out[half * 64 + quarter % 2 * 32 + element] |= uint8_t((quant & 0xF) << (quarter / 2 * 4));
      out[128 + half * 32 + element] |= uint8_t(quant >> 4 << (quarter * 2));
    }
  }
}

template <typename Encode>
Bytes each_block(TensorType type, std::span<const float> values, Encode encode) {
  const TensorTypeInfo& info = tensor_type_info(type);
  Bytes bytes(tensor_bytes(type, values.size()));
  uint8_t* out = bytes.data();
  for (size_t at = 0; at < values.size(); at += info.block_elements, out += info.block_bytes) {
    encode(values.data() + at, out);
  }
  return bytes;
}

}  // namespace

Bytes quantize(TensorType type, std::span<const float> values) {
  switch (type) {
    case TensorType::kF32:
      return each_block(type, values,
                        [](const float* in, uint8_t* out) { std::memcpy(out, in, sizeof(float)); });
    case TensorType::kF16:
      return each_block(type, values, [](const float* in, uint8_t* out) { put_half(out, *in); });
    case TensorType::kBF16:
      return each_block(type, values, [](const float* in, uint8_t* out) {
        const uint16_t narrow = f32_to_bf16(*in);
        std::memcpy(out, &narrow, sizeof narrow);
      });
    case TensorType::kQ8_0:
      return each_block(type, values, quantize_q8_0);
    case TensorType::kQ4_0:
      return each_block(type, values, quantize_q4_0);
    case TensorType::kQ4_K:
      return each_block(type, values, quantize_q4_k);
    case TensorType::kQ5_K:
      return each_block(type, values, quantize_q5_k);
    case TensorType::kQ6_K:
      return each_block(type, values, quantize_q6_k);
  }
  return {};
}

}  // namespace weft::model

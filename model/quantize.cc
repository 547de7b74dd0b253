#include "model/quantize.h"

#include "model/quantize_blocks.h"
#include "model/quantize_fit.h"

namespace weft::model {
namespace {

void put_nibbles(const int* codes, uint8_t* out) {
  for (int i = 0; i < 16; ++i) out[i] = uint8_t((codes[i] & 0xF) | (codes[i + 16] & 0xF) << 4);
}

void put_fifth_bits(const int* codes, uint8_t* out) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= uint32_t(codes[i] >> 4) << i;
  std::memcpy(out, &bits, sizeof bits);
}

// Q4_1 and Q5_1: the whole range of the values in codes 0 to `top`. Writes scale and minimum.
void code_range(const float* in, int top, uint8_t* out, int* codes) {
  const auto [low, high] = std::minmax_element(in, in + 32);
  const float scale = put_half(out, (*high - *low) / float(top));
  const float minimum = put_half(out + 2, *low);
  for (int i = 0; i < 32; ++i) codes[i] = round_to(in[i] - minimum, inverse_of(scale), 0, top);
}

}  // namespace

void quantize_q8_0(const float* in, uint8_t* out) {
  const float inverse = inverse_of(put_half(out, std::fabs(extreme(in, 32)) / 127));
  for (int i = 0; i < 32; ++i) out[2 + i] = uint8_t(int8_t(round_to(in[i], inverse, -127, 127)));
}

void quantize_q4_0(const float* in, uint8_t* out) {
  const float inverse = inverse_of(put_half(out, fit_symmetric(in, 32, 8, ErrorWeights::kEven)));
  int codes[32];
  for (int i = 0; i < 32; ++i) codes[i] = round_to(in[i], inverse, -8, 7) + 8;
  put_nibbles(codes, out + 2);
}

void quantize_q4_1(const float* in, uint8_t* out) {
  int codes[32];
  code_range(in, 15, out, codes);
  put_nibbles(codes, out + 4);
}

void quantize_q5_0(const float* in, uint8_t* out) {
  const float inverse = inverse_of(put_half(out, fit_symmetric(in, 32, 16, ErrorWeights::kEven)));
  int codes[32];
  for (int i = 0; i < 32; ++i) codes[i] = round_to(in[i], inverse, -16, 15) + 16;
  put_fifth_bits(codes, out + 2);
  put_nibbles(codes, out + 6);
}

void quantize_q5_1(const float* in, uint8_t* out) {
  int codes[32];
  code_range(in, 31, out, codes);
  put_fifth_bits(codes, out + 4);
  put_nibbles(codes, out + 8);
}

namespace {

using Encode = void (*)(const float* in, uint8_t* out);

Encode encoder(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return [](const float* in, uint8_t* out) { std::memcpy(out, in, sizeof *in); };
    case TensorType::kF16:
      return [](const float* in, uint8_t* out) { put_half(out, *in); };
    case TensorType::kBF16:
      return [](const float* in, uint8_t* out) {
        const uint16_t narrow = f32_to_bf16(*in);
        std::memcpy(out, &narrow, sizeof narrow);
      };
    case TensorType::kQ8_0:
      return quantize_q8_0;
    case TensorType::kQ4_0:
      return quantize_q4_0;
    case TensorType::kQ4_1:
      return quantize_q4_1;
    case TensorType::kQ5_0:
      return quantize_q5_0;
    case TensorType::kQ5_1:
      return quantize_q5_1;
    case TensorType::kQ2_K:
      return quantize_q2_k;
    case TensorType::kQ3_K:
      return quantize_q3_k;
    case TensorType::kQ4_K:
      return quantize_q4_k;
    case TensorType::kQ5_K:
      return quantize_q5_k;
    case TensorType::kQ6_K:
      return quantize_q6_k;
    case TensorType::kTQ1_0:
      return quantize_tq1_0;
    case TensorType::kTQ2_0:
      return quantize_tq2_0;
    case TensorType::kIQ1_S:
      return quantize_iq1_s;
    case TensorType::kIQ1_M:
      return quantize_iq1_m;
    case TensorType::kIQ2_XXS:
      return quantize_iq2_xxs;
    case TensorType::kIQ2_XS:
      return quantize_iq2_xs;
    case TensorType::kIQ2_S:
      return quantize_iq2_s;
    case TensorType::kIQ3_XXS:
      return quantize_iq3_xxs;
    case TensorType::kIQ3_S:
      return quantize_iq3_s;
    case TensorType::kIQ4_NL:
      return quantize_iq4_nl;
    case TensorType::kIQ4_XS:
      return quantize_iq4_xs;
    case TensorType::kMXFP4:
      return quantize_mxfp4;
  }
  assert_failed(__FILE__, __LINE__, "tensor type is one of TensorType's enumerators");
}

}  // namespace

void quantize_into(TensorType type, std::span<const float> values, std::span<uint8_t> out) {
  WEFT_ASSERT(out.size() == tensor_bytes(type, values.size()));
  const Encode encode = encoder(type);
  const TensorTypeInfo& info = tensor_type_info(type);
  uint8_t* to = out.data();
  for (size_t at = 0; at < values.size(); at += info.block_elements, to += info.block_bytes) {
    encode(values.data() + at, to);
  }
}

Bytes quantize(TensorType type, std::span<const float> values) {
  Bytes bytes(tensor_bytes(type, values.size()));
  quantize_into(type, values, bytes);
  return bytes;
}

}  // namespace weft::model

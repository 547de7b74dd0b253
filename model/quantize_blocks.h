// One block of f32 values to the bytes of each quantized type. Internal to model/quantize.
// `in` has the type's block_elements, all finite, `out` its block_bytes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "model/float4.h"
#include "model/tensor_type.h"

namespace weft::model {

// Stores `value` as f16 and gives what a reader will see: quants are chosen for that. A value
// beyond f16 becomes the largest, so that no block of finite values reads as infinite.
inline float put_half(uint8_t* out, float value) {
  constexpr float kHalfMax = 65504;
  const uint16_t half = f32_to_f16(std::clamp(value, -kHalfMax, kHalfMax));
  std::memcpy(out, &half, sizeof half);
  return f16_to_f32(half);
}

// 1 / step, or 0 where the step is zero or its inverse overflows.
inline float inverse_of(float step) {
  const float inverse = 1 / step;
  return std::isfinite(inverse) ? inverse : 0;
}

// value * inverse rounded to nearest within [low, high].
inline int round_to(float value, float inverse, int low, int high) {
  return int(std::lrint(std::clamp(value * inverse, float(low), float(high))));
}

// The value of largest magnitude, with its sign.
inline float extreme(const float* in, int count) {
  float most = in[0];
  for (int i = 1; i < count; ++i) {
    if (std::fabs(in[i]) > std::fabs(most)) most = in[i];
  }
  return most;
}

// quantize.cc
void quantize_q8_0(const float* in, uint8_t* out);
void quantize_q4_0(const float* in, uint8_t* out);
void quantize_q4_1(const float* in, uint8_t* out);
void quantize_q5_0(const float* in, uint8_t* out);
void quantize_q5_1(const float* in, uint8_t* out);

// quantize_k.cc
void quantize_q2_k(const float* in, uint8_t* out);
void quantize_q3_k(const float* in, uint8_t* out);
void quantize_q4_k(const float* in, uint8_t* out);
void quantize_q5_k(const float* in, uint8_t* out);
void quantize_q6_k(const float* in, uint8_t* out);

// quantize_codebook.cc
void quantize_tq1_0(const float* in, uint8_t* out);
void quantize_tq2_0(const float* in, uint8_t* out);
void quantize_iq4_nl(const float* in, uint8_t* out);
void quantize_iq4_xs(const float* in, uint8_t* out);
void quantize_mxfp4(const float* in, uint8_t* out);

// quantize_grid.cc
void quantize_iq1_s(const float* in, uint8_t* out);
void quantize_iq1_m(const float* in, uint8_t* out);
void quantize_iq2_xxs(const float* in, uint8_t* out);
void quantize_iq2_xs(const float* in, uint8_t* out);
void quantize_iq2_s(const float* in, uint8_t* out);
void quantize_iq3_xxs(const float* in, uint8_t* out);
void quantize_iq3_s(const float* in, uint8_t* out);

}  // namespace weft::model

// One block of each quantized type to f32, by the layouts of the file. Internal to
// model/dequantize. `block` has the type's block_bytes, `out` its block_elements; in the order of
// operations that the format defines. Source: the GGUF specification and ggml's published block
// layouts (ggml-common.h).
#pragma once

#include <cstdint>
#include <cstring>

#include "model/tensor_type.h"

namespace weft::model {

inline uint16_t u16_at(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
inline uint32_t u32_at(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
inline float half_at(const uint8_t* bytes) {
  return f16_to_f32(u16_at(bytes));
}

// dequantize.cc
void dequantize_q8_0(const uint8_t* block, float* out);
void dequantize_q4_0(const uint8_t* block, float* out);
void dequantize_q4_1(const uint8_t* block, float* out);
void dequantize_q5_0(const uint8_t* block, float* out);
void dequantize_q5_1(const uint8_t* block, float* out);

// dequantize_k.cc
void dequantize_q2_k(const uint8_t* block, float* out);
void dequantize_q3_k(const uint8_t* block, float* out);
void dequantize_q4_k(const uint8_t* block, float* out);
void dequantize_q5_k(const uint8_t* block, float* out);
void dequantize_q6_k(const uint8_t* block, float* out);
void dequantize_tq1_0(const uint8_t* block, float* out);
void dequantize_tq2_0(const uint8_t* block, float* out);
// The codes of a ternary block, 0 to 2.
void read_tq1_0(const uint8_t* block, uint8_t* codes);
void read_tq2_0(const uint8_t* block, uint8_t* codes);
// The 16 scales of a Q3_K block, -32 to 31, and its codes, -4 to 3.
void read_q3_k(const uint8_t* block, int8_t* scales, int8_t* codes);

// dequantize_codebook.cc
void dequantize_iq1_s(const uint8_t* block, float* out);
void dequantize_iq1_m(const uint8_t* block, float* out);
void dequantize_iq2_xxs(const uint8_t* block, float* out);
void dequantize_iq2_xs(const uint8_t* block, float* out);
void dequantize_iq2_s(const uint8_t* block, float* out);
void dequantize_iq3_xxs(const uint8_t* block, float* out);
void dequantize_iq3_s(const uint8_t* block, float* out);
// The 8 scales of an IQ3_S block, 1 to 31, and its codes, -15 to 15.
void read_iq3_s(const uint8_t* block, int8_t* scales, int8_t* codes);
void dequantize_iq4_nl(const uint8_t* block, float* out);
void dequantize_iq4_xs(const uint8_t* block, float* out);
void dequantize_mxfp4(const uint8_t* block, float* out);

}  // namespace weft::model

// The table for any processor, and its loops over single vectors.
#include <cmath>

#include "kernels/cpu/scalar_kernels.h"

namespace weft::kernels {
namespace {

// Codes of `count` values under one scale; the scale. Values that are no numbers, or infinite, make
// the scale NaN, so that they are seen in the product instead of being hidden by the rounding.
float quantize(const float* x, uint32_t count, int8_t* codes) {
  float largest = 0;
  bool finite = true;
  for (uint32_t i = 0; i < count; ++i) {
    largest = std::fmax(largest, std::fabs(x[i]));
    finite = finite && std::isfinite(x[i]);
  }
  const float scale = largest / 127.0f;
  const float inverse = finite && scale > 0 ? 127.0f / largest : 0.0f;
  const bool usable = finite && std::isfinite(inverse);
  for (uint32_t i = 0; i < count; ++i) {
    codes[i] = usable ? int8_t(std::lrintf(x[i] * inverse)) : int8_t{0};
  }
  return finite ? scale : NAN;
}

void quantize_32(const float* x, uint32_t cols, ActivationBlock32* out) {
  for (uint32_t b = 0; b < cols / 32; ++b) {
    ActivationBlock32& block = out[b];
    block.scale = quantize(x + 32 * b, 32, block.codes);
    block.sum = 0;
    for (int8_t code : block.codes) block.sum += code;
  }
}

void quantize_256(const float* x, uint32_t cols, ActivationBlock256* out) {
  for (uint32_t b = 0; b < cols / 256; ++b) {
    ActivationBlock256& block = out[b];
    block.scale = quantize(x + 256 * b, 256, block.codes);
    for (uint32_t s = 0; s < 16; ++s) {
      int sum = 0;
      for (uint32_t i = 0; i < 16; ++i) sum += block.codes[16 * s + i];
      block.sums16[s] = int16_t(sum);
    }
    for (uint32_t s = 0; s < 8; ++s) {
      block.sums32[s] = int16_t(block.sums16[2 * s] + block.sums16[2 * s + 1]);
    }
  }
}

void rms_norm(float* out, const float* x, const float* weight, uint32_t dim, float epsilon) {
  double square_sum = 0;
  for (uint32_t d = 0; d < dim; ++d) square_sum += double{x[d]} * x[d];
  const float scale = float(1.0 / std::sqrt(square_sum / dim + double{epsilon}));
  for (uint32_t d = 0; d < dim; ++d) out[d] = x[d] * scale * weight[d];
}

void rope(float* head, const float* cosines, const float* sines, uint32_t dims, bool interleaved) {
  const uint32_t half = dims / 2;
  for (uint32_t i = 0; i < half; ++i) {
    float& first = head[interleaved ? 2 * i : i];
    float& second = head[interleaved ? 2 * i + 1 : i + half];
    const float a = first;
    const float b = second;
    first = a * cosines[i] - b * sines[i];
    second = b * cosines[i] + a * sines[i];
  }
}

void glu_silu(float* out, const float* gate, const float* up, size_t count) {
  for (size_t i = 0; i < count; ++i) out[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void glu_gelu(float* out, const float* gate, const float* up, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float g = gate[i];
    const float y = 0.7978845608f * (g + 0.044715f * g * g * g);
    out[i] = 0.5f * g * (1.0f + std::tanh(y)) * up[i];
  }
}

void glu_clamped_silu(float* out, const float* gate, const float* up, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const float g = gate[i] > 7.0f ? 7.0f : gate[i];
    const float u = up[i] > 7.0f ? 7.0f : up[i] < -7.0f ? -7.0f : up[i];
    out[i] = g / (1.0f + std::exp(-1.702f * g)) * (u + 1.0f);
  }
}

void soft_cap(float* x, size_t count, float cap) {
  for (size_t i = 0; i < count; ++i) x[i] = cap * std::tanh(x[i] / cap);
}

void add(float* x, const float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] += y[i];
}

}  // namespace

const KernelTable& scalar_kernels() {
  static const KernelTable table = {
      .name = "scalar",
      .takes_twins = false,
      .tile_rows = kPanelTileRows,
      .matmul_f32 = scalar::matmul_f32,
      .matmul_f16 = scalar::matmul_f16,
      .matmul_bf16 = scalar::matmul_bf16,
      .matmul_q8_0 = scalar::matmul_q8_0,
      .matmul_q4_0 = scalar::matmul_q4_0,
      .matmul_q4_1 = scalar::matmul_q4_1,
      .matmul_q5_0 = scalar::matmul_q5_0,
      .matmul_q5_1 = scalar::matmul_q5_1,
      .matmul_iq4_nl = scalar::matmul_iq4_nl,
      .matmul_mxfp4 = scalar::matmul_mxfp4,
      .matmul_q4_k = scalar::matmul_q4_k,
      .matmul_q5_k = scalar::matmul_q5_k,
      .matmul_q6_k = scalar::matmul_q6_k,
      .matmul_iq4_xs = scalar::matmul_iq4_xs,
      .quantize_32 = quantize_32,
      .quantize_256 = quantize_256,
      .rms_norm = rms_norm,
      .rope = rope,
      .glu_silu = glu_silu,
      .glu_gelu = glu_gelu,
      .glu_clamped_silu = glu_clamped_silu,
      .soft_cap = soft_cap,
      .add = add,
      .append_f32 = scalar::append_f32,
      .append_f16 = scalar::append_f16,
      .append_q8_0 = scalar::append_q8_0,
      .expand_q8_0 = scalar::expand_q8_0,
      .attend_f32 = scalar::attend_f32,
      .attend_f16 = scalar::attend_f16,
  };
  return table;
}

}  // namespace weft::kernels

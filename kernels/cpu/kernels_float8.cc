// What the tables of AVX2 and NEON share: loops over single vectors. Elementwise loops do the last
// few elements in a padded vector, so that an element's bits do not depend on where it stands.
#if defined(__x86_64__) || defined(__aarch64__)

#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/scalar_kernels.h"
#include "kernels/cpu/simd_float8.h"

namespace weft::kernels::float8 {
namespace {

// 127 / largest, or 0 where that is no finite number: codes are then 0.
inline float inverse_scale(float largest) {
  const float inverse = 127.0f / largest;
  return inverse <= 3.0e38f ? inverse : 0.0f;
}

// The largest magnitude of `count` values (a multiple of 8). `poison` becomes NaN if any of them is
// no number or infinite, else stays 0: maxima alone would lose that.
inline float largest_magnitude(const float* x, int count, float* poison) {
  Float8 top = splat(0);
  Float8 odd = splat(0);
  for (int i = 0; i < count; i += 8) {
    const Float8 v = load8(x + i);
    top = larger(top, magnitude(v));
    odd = fused_add(odd, v, splat(0));
  }
  *poison = sum_lanes(odd);
  return max_lanes(top);
}

void quantize_32(const float* x, uint32_t cols, ActivationBlock32* out) {
  for (uint32_t b = 0; b < cols / 32; ++b, x += 32) {
    float poison;
    const float largest = largest_magnitude(x, 32, &poison);
    const Codes codes = to_codes(x, inverse_scale(largest));
    int32_t low, high;
    sum_codes(codes, &low, &high);
    out[b].scale = largest / 127.0f + poison;
    out[b].sum = low + high;
    store_codes(out[b].codes, codes);
  }
}

void quantize_256(const float* x, uint32_t cols, ActivationBlock256* out) {
  for (uint32_t b = 0; b < cols / 256; ++b, x += 256) {
    float poison;
    const float largest = largest_magnitude(x, 256, &poison);
    const float inverse = inverse_scale(largest);
    out[b].scale = largest / 127.0f + poison;
    for (int s = 0; s < 8; ++s) {
      const Codes codes = to_codes(x + 32 * s, inverse);
      int32_t low, high;
      sum_codes(codes, &low, &high);
      out[b].sums16[2 * s] = int16_t(low);
      out[b].sums16[2 * s + 1] = int16_t(high);
      out[b].sums32[s] = int16_t(low + high);
      store_codes(out[b].codes + 32 * s, codes);
    }
  }
}

void rms_norm(float* out, const float* x, const float* weight, uint32_t dim, float epsilon) {
  Float8 sums[4] = {splat(0), splat(0), splat(0), splat(0)};
  uint32_t d = 0;
  for (; d + 32 <= dim; d += 32) {
    for (int i = 0; i < 4; ++i) {
      const Float8 v = load8(x + d + 8 * i);
      sums[i] = fused_add(sums[i], v, v);
    }
  }
  float square_sum = sum_lanes(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
  for (; d < dim; ++d) square_sum += x[d] * x[d];
  const float scale = 1.0f / __builtin_sqrtf(square_sum / float(dim) + epsilon);
  for (d = 0; d + 8 <= dim; d += 8) {
    store8(out + d, multiply(multiply(load8(x + d), scale), load8(weight + d)));
  }
  for (; d < dim; ++d) out[d] = x[d] * scale * weight[d];
}

inline void rotate_pair(float& first, float& second, float cosine, float sine) {
  const float a = first;
  const float b = second;
  first = a * cosine - b * sine;
  second = b * cosine + a * sine;
}

void rope(float* head, const float* cosines, const float* sines, uint32_t dims, bool interleaved) {
  const uint32_t half = dims / 2;
  uint32_t i = 0;
  if (interleaved) {
    for (; i + 4 <= half; i += 4) rotate_pairs4(head + 2 * i, cosines + i, sines + i);
    for (; i < half; ++i) rotate_pair(head[2 * i], head[2 * i + 1], cosines[i], sines[i]);
    return;
  }
  for (; i + 8 <= half; i += 8) {
    const Float8 a = load8(head + i);
    const Float8 b = load8(head + half + i);
    const Float8 c = load8(cosines + i);
    const Float8 s = load8(sines + i);
    store8(head + i, subtract(multiply(a, c), multiply(b, s)));
    store8(head + half + i, add(multiply(b, c), multiply(a, s)));
  }
  for (; i < half; ++i) rotate_pair(head[i], head[half + i], cosines[i], sines[i]);
}

// g / (1 + e^-z)
inline Float8 gated(Float8 g, Float8 z) {
  return divide(g, add(splat(1.0f), exp8(subtract(splat(0), z))));
}

struct Silu {
  static inline Float8 of(Float8 g, Float8 u) { return multiply(gated(g, g), u); }
};
// (1 + tanh y) / 2 is 1 / (1 + e^-2y).
struct Gelu {
  static inline Float8 of(Float8 g, Float8 u) {
    const Float8 cubed = multiply(multiply(g, g), g);
    const Float8 y = fused_add(g, cubed, 0.044715f);
    return multiply(gated(g, multiply(y, 2 * 0.7978845608f)), u);
  }
};
struct ClampedSilu {
  static inline Float8 of(Float8 g, Float8 u) {
    const Float8 low = smaller(g, splat(7.0f));
    const Float8 within = smaller(larger(u, splat(-7.0f)), splat(7.0f));
    return multiply(gated(low, multiply(low, 1.702f)), add(within, splat(1.0f)));
  }
};

template <class Kind>
void glu(float* out, const float* gate, const float* up, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) store8(out + i, Kind::of(load8(gate + i), load8(up + i)));
  if (i == count) return;
  float padded_gate[8] = {};
  float padded_up[8] = {};
  float result[8];
  for (size_t j = i; j < count; ++j) {
    padded_gate[j - i] = gate[j];
    padded_up[j - i] = up[j];
  }
  store8(result, Kind::of(load8(padded_gate), load8(padded_up)));
  for (size_t j = i; j < count; ++j) out[j] = result[j - i];
}

void soft_cap(float* x, size_t count, float cap) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) store8(x + i, soft_cap8(load8(x + i), cap));
  if (i == count) return;
  float padded[8] = {};
  for (size_t j = i; j < count; ++j) padded[j - i] = x[j];
  store8(padded, soft_cap8(load8(padded), cap));
  for (size_t j = i; j < count; ++j) x[j] = padded[j - i];
}

void add_to(float* x, const float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] += y[i];
}

}  // namespace

KernelTable float_loops() {
  KernelTable table{};
  table.tile_rows = kPanelTileRows;
  table.matmul_f32 = matmul_f32;
  table.matmul_f16 = matmul_f16;
  table.matmul_bf16 = matmul_bf16;
  table.quantize_32 = quantize_32;
  table.quantize_256 = quantize_256;
  table.rms_norm = rms_norm;
  table.rope = rope;
  table.glu_silu = glu<Silu>;
  table.glu_gelu = glu<Gelu>;
  table.glu_clamped_silu = glu<ClampedSilu>;
  table.soft_cap = soft_cap;
  table.add = add_to;
  table.append_f32 = append_f32;
  table.append_f16 = append_f16;
  table.append_q8_0 = scalar::append_q8_0;
  table.expand_q8_0 = expand_q8_0;
  table.attend_f32 = attend_f32;
  table.attend_f16 = attend_f16;
  return table;
}

}  // namespace weft::kernels::float8

#endif  // defined(__x86_64__) || defined(__aarch64__)

// y [rows, out] = x * w^T for quantized weights, by integer products of 8-bit activations.
//
// An invocation owns one output row and a part of the columns, which it adds up block by block in
// their order; the parts' sums are added in theirs. Neither depends on how many rows of x there
// are, so a row has the same bits in any batch.
#version 450

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint LANES = 32;
layout(constant_id = 1) const uint PARTS = 4;
layout(constant_id = 2) const uint TYPE = 12;
layout(constant_id = 3) const uint ROWS = 1;  // of x, for each invocation

layout(binding = 0) readonly buffer Weights { uint w[]; };
layout(binding = 1) readonly buffer Quantized { uint x[]; };  // quantize.comp
layout(binding = 2) writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint out_rows;   // of this buffer of weights
  uint first_out;  // its first row among those of the matrix
  uint blocks;     // in a row
  uint x_rows;
  uint y_stride;   // rows of the matrix
};

#include "weights.glsl"
#include "dot4.glsl"

shared float sums[ROWS * PARTS * LANES];

const bool OF_32 = TYPE == Q4_0 || TYPE == Q8_0;
const uint X_WORDS = OF_32 ? 12 : 84;
const uint X_SCALE = OF_32 ? 8 : 64;

void main() {
  const uint lane = gl_LocalInvocationID.x, part = gl_LocalInvocationID.y;
  const uint out_row = gl_WorkGroupID.x * LANES + lane;
  const uint first_row = gl_WorkGroupID.y * ROWS;
  const uint sub = out_row % PANEL_ROWS;
  const uint panel = out_row / PANEL_ROWS * blocks * block_words();
  const uint end = out_row < out_rows ? (part + 1) * blocks / PARTS : 0;
  float totals[ROWS];
  for (uint r = 0; r < ROWS; ++r) totals[r] = 0;
  for (uint b = part * blocks / PARTS; b < end; ++b) {
    const uint at = panel + b * block_words();
    uint x_at[ROWS];
    int dots[ROWS], offsets[ROWS];
    for (uint r = 0; r < ROWS; ++r) {
      x_at[r] = (min(first_row + r, x_rows - 1) * blocks + b) * X_WORDS;
      dots[r] = offsets[r] = 0;
    }
    const float d = half_at(at, sub);
    float dmin = 0;
    Scales k;
    if (TYPE == Q4_K || TYPE == Q5_K) {
      k = scales_of(at, sub);
      dmin = half_at(at + 4, sub);
    }
    for (uint s = 0; s < (OF_32 ? 1 : 8); ++s) {
      for (uint half_of = 0; half_of < 2; ++half_of) {
        int acc[ROWS];
        for (uint r = 0; r < ROWS; ++r) acc[r] = 0;
        for (uint j = 0; j < 4; ++j) {
          const uint g = 4 * half_of + j;
          const uint word = codes(at, s, g, sub);
          for (uint r = 0; r < ROWS; ++r) acc[r] += dot4(word, x[x_at[r] + 8 * s + g]);
        }
        int scale = 1;
        if (TYPE == Q4_K || TYPE == Q5_K) scale = scale_of(k, s);
        if (TYPE == Q6_K) scale = scale6_of(at, 2 * s + half_of, sub);
        for (uint r = 0; r < ROWS; ++r) {
          dots[r] += scale * acc[r];
          if (OF_32) continue;
          const int sum16 = int(x[x_at[r] + 65 + 2 * s + half_of]);
          offsets[r] += (TYPE == Q6_K ? 32 * scale : min_of(k, s)) * sum16;
        }
      }
    }
    for (uint r = 0; r < ROWS; ++r) {
      const float x_scale = uintBitsToFloat(x[x_at[r] + X_SCALE]);
      if (TYPE == Q4_K || TYPE == Q5_K) {
        totals[r] = fma(float(dots[r]), d * x_scale, totals[r]);
        totals[r] = fma(-float(offsets[r]), dmin * x_scale, totals[r]);
      } else {
        const int offset = TYPE == Q4_0 ? 8 * int(x[x_at[r] + 9]) : offsets[r];
        totals[r] = fma(float(dots[r] - offset), d * x_scale, totals[r]);
      }
    }
  }
  for (uint r = 0; r < ROWS; ++r) sums[(r * PARTS + part) * LANES + lane] = totals[r];
  barrier();
  if (part != 0 || out_row >= out_rows) return;
  for (uint r = 0; r < ROWS && first_row + r < x_rows; ++r) {
    float total = 0;
    for (uint p = 0; p < PARTS; ++p) total += sums[(r * PARTS + p) * LANES + lane];
    y[(first_row + r) * y_stride + first_out + out_row] = total;
  }
}

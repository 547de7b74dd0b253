// y [rows, out] = x * w^T for quantized weights, by integer products of 8-bit activations.
//
// An invocation owns four output rows, whose weights it reads 16 bytes at a time, and a part of the
// columns, which it adds up block by block in their order; the parts' sums are added in theirs.
// Neither depends on how many rows of x there are, so a row has the same bits in any batch.
#version 450
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint QUADS = 8;
layout(constant_id = 1) const uint PARTS = 4;
layout(constant_id = 2) const uint TYPE = 12;
layout(constant_id = 3) const uint ROWS = 1;  // of x, for each invocation

layout(binding = 0) restrict readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) restrict readonly buffer Quantized { uvec4 x[]; };
layout(binding = 2) restrict writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint out_rows;   // of this buffer of weights
  uint first_out;  // its first row among those of the matrix
  uint blocks;     // in a row
  uint x_rows;
  uint y_stride;   // rows of the matrix
};

#include "products.glsl"

shared vec4 sums[ROWS * PARTS * QUADS];

void main() {
  const uint lane = gl_LocalInvocationID.x, part = gl_LocalInvocationID.y;
  const uint quad = gl_WorkGroupID.x * QUADS + lane;
  const uint first_row = gl_WorkGroupID.y * ROWS;
  const uint sub = quad % 2;
  const uint panel = panel_of(quad, blocks);
  const uint end = QUAD_ROWS * quad < out_rows ? (part + 1) * blocks / PARTS : 0;
  vec4 totals[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; ++r) totals[r] = vec4(0);
  for (uint b = part * blocks / PARTS; b < end; ++b) {
    const uint at = panel + b * block_loads();
    uint x_at[ROWS];
    ivec4 dots[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      x_at[r] = (min(first_row + r, x_rows - 1) * blocks + b) * X_LOADS;
      dots[r] = ivec4(0);
    }
    Scales k;
    if (!OF_32) k = scales_of(at, sub);
    for (uint s = 0; s < SUB_BLOCKS; ++s) {
      const Upper upper = upper_of(at, s, sub);
      Codes codes[4];
      [[unroll]] for (uint j = 0; j < 4; ++j) codes[j] = codes_of(at, s, j, sub, upper);
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        ivec4 acc = ivec4(0);
        [[unroll]] for (uint half_of = 0; half_of < 2; ++half_of) {
          const uvec4 of_x = x[x_at[r] + 2 * s + half_of];
          [[unroll]] for (uint j = 0; j < 4; ++j) {
            acc += dot4_each(half_of == 0 ? codes[j].low : codes[j].high, of_x[j]);
          }
          add_half(half_of, s, k, acc, dots[r]);
        }
      }
    }
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      totals[r] = add_block(at, sub, x_at[r], k, dots[r], totals[r]);
    }
  }
  [[unroll]] for (uint r = 0; r < ROWS; ++r) sums[(r * PARTS + part) * QUADS + lane] = totals[r];
  barrier();
  if (part != 0) return;
  for (uint r = 0; r < ROWS && first_row + r < x_rows; ++r) {
    precise vec4 total = vec4(0);
    for (uint p = 0; p < PARTS; ++p) total += sums[(r * PARTS + p) * QUADS + lane];
    const uint to = (first_row + r) * y_stride + first_out + QUAD_ROWS * quad;
    [[unroll]] for (uint i = 0; i < QUAD_ROWS; ++i) {
      if (QUAD_ROWS * quad + i < out_rows) y[to + i] = total[i];
    }
  }
}

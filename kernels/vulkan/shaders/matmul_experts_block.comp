// y [choices, n] = x * part(expert)^T for quantized weights [experts * n, cols], by the products of
// matmul_block.comp with one row of x, in the same order. Choices whose expert is in another buffer
// of the weights are left to the dispatches for that.
#version 450
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint QUADS = 8;
layout(constant_id = 1) const uint PARTS = 4;
layout(constant_id = 2) const uint TYPE = 12;

layout(binding = 0) restrict readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) restrict readonly buffer Quantized { uvec4 x[]; };
layout(binding = 2) restrict readonly buffer Choices { float choice[]; };
layout(binding = 3) restrict writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint first;   // row of this buffer among the weights'
  uint rows;    // of this buffer
  uint n;       // rows of an expert
  uint blocks;  // in a row
  uint used;
  uint spread;  // 0: a row of x for each row, 1: for each choice
};

#include "products.glsl"

shared vec4 sums[PARTS * QUADS];

void main() {
  const uint lane = gl_LocalInvocationID.x, part = gl_LocalInvocationID.y;
  const uint out_row = QUAD_ROWS * (gl_WorkGroupID.x * QUADS + lane);
  const uint choice_at = gl_WorkGroupID.y;
  const uint expert = uint(choice[choice_at / used * 2 * used + choice_at % used]);
  const uint row = expert * n + out_row - first;  // wraps if it is before
  const bool inside = out_row < n && row < rows;
  const uint quad = row / QUAD_ROWS, sub = quad % 2;
  const uint panel = panel_of(quad, blocks);
  const uint from = (spread != 0 ? choice_at : choice_at / used) * blocks;
  const uint end = inside ? (part + 1) * blocks / PARTS : 0;
  vec4 total = vec4(0);
  for (uint b = part * blocks / PARTS; b < end; ++b) {
    const uint at = panel + b * block_loads();
    const uint x_at = (from + b) * X_LOADS;
    ivec4 dots = ivec4(0);
    Scales k;
    if (!OF_32) k = scales_of(at, sub);
    for (uint s = 0; s < SUB_BLOCKS; ++s) {
      const Upper upper = upper_of(at, s, sub);
      Codes codes[4];
      [[unroll]] for (uint j = 0; j < 4; ++j) codes[j] = codes_of(at, s, j, sub, upper);
      ivec4 acc = ivec4(0);
      [[unroll]] for (uint half_of = 0; half_of < 2; ++half_of) {
        const uvec4 of_x = x[x_at + 2 * s + half_of];
        [[unroll]] for (uint j = 0; j < 4; ++j) {
          acc += dot4_each(half_of == 0 ? codes[j].low : codes[j].high, of_x[j]);
        }
        add_half(half_of, s, k, acc, dots);
      }
    }
    total = add_block(at, sub, x_at, k, dots, total);
  }
  sums[part * QUADS + lane] = total;
  barrier();
  if (part != 0 || !inside) return;
  precise vec4 sum = vec4(0);
  for (uint p = 0; p < PARTS; ++p) sum += sums[p * QUADS + lane];
  const uint to = choice_at * n + out_row;
  for (uint i = 0; i < QUAD_ROWS; ++i) y[to + i] = sum[i];  // n is of whole panels
}

// y [rows, out] = x * w^T for F32, F16 and BF16. The order of sums is that of matmul_block.comp,
// with a column for a block.
#version 450
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint QUADS = 8;
layout(constant_id = 1) const uint PARTS = 4;
layout(constant_id = 2) const uint TYPE = 0;
layout(constant_id = 3) const uint ROWS = 1;

layout(binding = 0) restrict readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) restrict readonly buffer Activations { float x[]; };
layout(binding = 2) restrict writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint out_rows;
  uint first_out;
  uint blocks;  // columns
  uint x_rows;
  uint y_stride;
};

#include "weights.glsl"

shared vec4 sums[ROWS * PARTS * QUADS];

void main() {
  const uint lane = gl_LocalInvocationID.x, part = gl_LocalInvocationID.y;
  const uint quad = gl_WorkGroupID.x * QUADS + lane;
  const uint first_row = gl_WorkGroupID.y * ROWS;
  const uint panel = panel_of(quad, blocks);
  const uint end = QUAD_ROWS * quad < out_rows ? (part + 1) * blocks / PARTS : 0;
  precise vec4 totals[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; ++r) totals[r] = vec4(0);
  for (uint column = part * blocks / PARTS; column < end; ++column) {
    const vec4 values = values_at(panel, column, quad % 2);
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      const float of_x = x[min(first_row + r, x_rows - 1) * blocks + column];
      totals[r] = fma(values, vec4(of_x), totals[r]);
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

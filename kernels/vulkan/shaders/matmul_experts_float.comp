// y [choices, n] = x * part(expert)^T, of weights [experts * n, cols] in F32, F16 and BF16. The
// order of sums is that of matmul_float.comp. Choices whose expert is in another buffer of the
// weights are left to the dispatches for that.
#version 450

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint QUADS = 8;
layout(constant_id = 1) const uint PARTS = 4;
layout(constant_id = 2) const uint TYPE = 0;

layout(binding = 0) readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) readonly buffer Activations { float x[]; };
layout(binding = 2) readonly buffer Choices { float choice[]; };
layout(binding = 3) writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint first;   // row of this buffer among the weights'
  uint rows;    // of this buffer
  uint n;       // rows of an expert
  uint cols;
  uint used;
  uint spread;  // 0: a row of x for each row, 1: for each choice
};

#include "weights.glsl"

shared vec4 sums[PARTS * QUADS];

void main() {
  const uint lane = gl_LocalInvocationID.x, part = gl_LocalInvocationID.y;
  const uint out_row = QUAD_ROWS * (gl_WorkGroupID.x * QUADS + lane);
  const uint at = gl_WorkGroupID.y;
  const uint expert = uint(choice[at / used * 2 * used + at % used]);
  const uint row = expert * n + out_row - first;  // wraps if it is before
  const bool inside = out_row < n && row < rows;
  const uint quad = row / QUAD_ROWS;
  const uint panel = panel_of(quad, cols / block_columns());
  const uint from = (spread != 0 ? at : at / used) * cols;
  const uint end = inside ? (part + 1) * cols / PARTS : 0;
  precise vec4 total = vec4(0);
  for (uint column = part * cols / PARTS; column < end; ++column) {
    total = fma(values_at(panel, column, quad % 2), vec4(x[from + column]), total);
  }
  sums[part * QUADS + lane] = total;
  barrier();
  if (part != 0 || !inside) return;
  precise vec4 sum = vec4(0);
  for (uint p = 0; p < PARTS; ++p) sum += sums[p * QUADS + lane];
  for (uint i = 0; i < QUAD_ROWS; ++i) y[at * n + out_row + i] = sum[i];  // n is of whole panels
}

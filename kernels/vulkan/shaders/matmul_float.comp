// y [rows, out] = x * w^T for F32, F16 and BF16. The order of sums is that of matmul_block.comp,
// with a column for a block.
#version 450

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint LANES = 32;
layout(constant_id = 1) const uint PARTS = 4;
layout(constant_id = 2) const uint TYPE = 0;
layout(constant_id = 3) const uint ROWS = 1;

layout(binding = 0) readonly buffer Weights { uint w[]; };
layout(binding = 1) readonly buffer Activations { float x[]; };
layout(binding = 2) writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint out_rows;
  uint first_out;
  uint blocks;  // columns
  uint x_rows;
  uint y_stride;
};

#include "weights.glsl"

shared float sums[ROWS * PARTS * LANES];

void main() {
  const uint lane = gl_LocalInvocationID.x, part = gl_LocalInvocationID.y;
  const uint out_row = gl_WorkGroupID.x * LANES + lane;
  const uint first_row = gl_WorkGroupID.y * ROWS;
  const uint panel = out_row / PANEL_ROWS * blocks * block_words();
  const uint end = out_row < out_rows ? (part + 1) * blocks / PARTS : 0;
  float totals[ROWS];
  for (uint r = 0; r < ROWS; ++r) totals[r] = 0;
  for (uint column = part * blocks / PARTS; column < end; ++column) {
    const float value = value_at(panel, column, out_row % PANEL_ROWS);
    for (uint r = 0; r < ROWS; ++r) {
      totals[r] = fma(value, x[min(first_row + r, x_rows - 1) * blocks + column], totals[r]);
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

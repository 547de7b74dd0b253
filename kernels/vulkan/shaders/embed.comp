// out [rows, cols] = scale times the rows of a table that tokens name; tokens of other parts of it are left to
// the dispatches for those.
#version 450

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint TYPE = 0;

layout(binding = 0) readonly buffer Table { uvec4 w[]; };
layout(binding = 1) readonly buffer Parameters { uint p[]; };
layout(binding = 2) writeonly buffer Rows { float y[]; };
layout(push_constant) uniform Push {
  uint tokens_at;  // in p
  uint cols;
  uint first;      // row of this buffer among the table's
  uint rows;
  float scale;
};

#include "weights.glsl"

void main() {
  const uint column = gl_WorkGroupID.x * 64 + gl_LocalInvocationID.x;
  const uint i = gl_WorkGroupID.y;
  const uint row = p[tokens_at + i] - first;  // wraps if it is before
  if (column >= cols || row >= rows) return;
  const uint quad = row / QUAD_ROWS;
  const uint panel = panel_of(quad, cols / block_columns());
  y[i * cols + column] = scale * values_at(panel, column, quad % 2)[row % QUAD_ROWS];
}

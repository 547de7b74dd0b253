// x[t used + i, :] += bias[choice(t, i), :]
#version 450

layout(local_size_x = 64) in;

layout(binding = 0) buffer Values { float x[]; };
layout(binding = 1) readonly buffer Biases { uvec4 w[]; };  // a panel has 8 experts
layout(binding = 2) readonly buffer Choices { float choice[]; };
layout(push_constant) uniform Push {
  uint cols;
  uint used;
};

const uint TYPE = 0;  // F32
#include "weights.glsl"

void main() {
  const uint column = gl_GlobalInvocationID.x, at = gl_WorkGroupID.y;
  if (column >= cols) return;
  const uint expert = uint(choice[at / used * 2 * used + at % used]);
  const uint quad = expert / QUAD_ROWS;
  x[at * cols + column] +=
      values_at(panel_of(quad, cols), column, quad % 2)[expert % QUAD_ROWS];
}

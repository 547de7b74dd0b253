// x [rows, cols] += bias [cols]
#version 450

layout(local_size_x = 64) in;

layout(binding = 0) buffer Values { float x[]; };
layout(binding = 1) readonly buffer Bias { float bias[]; };
layout(push_constant) uniform Push {
  uint cols;
};

void main() {
  const uint i = gl_GlobalInvocationID.x;
  if (i < cols) x[gl_WorkGroupID.y * cols + i] += bias[i];
}

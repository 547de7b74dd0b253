// to[i] = from[indices[i]], rows of `cols` values.
#version 450

layout(local_size_x = 64) in;

layout(binding = 0) readonly buffer From { float from[]; };
layout(binding = 1) readonly buffer Parameters { uint p[]; };
layout(binding = 2) writeonly buffer To { float to[]; };
layout(push_constant) uniform Push {
  uint indices_at;
  uint cols;
};

void main() {
  const uint column = gl_WorkGroupID.x * 64 + gl_LocalInvocationID.x;
  const uint i = gl_WorkGroupID.y;
  if (column < cols) to[i * cols + column] = from[p[indices_at + i] * cols + column];
}

// Rotates pairs of x [rows, heads, head_dim] in place. Each row's cosines and sines, `half_dims` of
// each, are parameters.
#version 450

layout(local_size_x = 64) in;

layout(binding = 0) buffer Values { float x[]; };
layout(binding = 1) readonly buffer Parameters { uint p[]; };
layout(push_constant) uniform Push {
  uint angles_at;
  uint heads;
  uint head_dim;
  uint half_dims;
  uint interleaved;
};

void main() {
  const uint i = gl_WorkGroupID.x * 64 + gl_LocalInvocationID.x;
  const uint row = gl_WorkGroupID.y;
  if (i >= heads * half_dims) return;
  const uint pair = i % half_dims;
  const uint head = (row * heads + i / half_dims) * head_dim;
  const uint a = head + (interleaved != 0 ? 2 * pair : pair);
  const uint b = interleaved != 0 ? a + 1 : a + half_dims;
  const uint angles = angles_at + 2 * row * half_dims;
  const float c = uintBitsToFloat(p[angles + pair]);
  const float s = uintBitsToFloat(p[angles + half_dims + pair]);
  const float first = x[a], second = x[b];
  x[a] = first * c - second * s;
  x[b] = first * s + second * c;
}

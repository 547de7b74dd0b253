// x = cap tanh(x / cap)
#version 450

layout(local_size_x = 128) in;

layout(binding = 0) buffer Values { float x[]; };
layout(push_constant) uniform Push {
  uint count;
  float cap;
};

#include "tanh.glsl"

void main() {
  const uint stride = gl_NumWorkGroups.x * 128;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) x[i] = cap * tanh_of(x[i] / cap);
}

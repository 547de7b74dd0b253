// x += y.
#version 450

layout(local_size_x = 128) in;

layout(binding = 0) buffer Values { float x[]; };
layout(binding = 1) readonly buffer Addends { float y[]; };
layout(push_constant) uniform Push {
  uint count;
};

void main() {
  const uint stride = gl_NumWorkGroups.x * 128;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) x[i] += y[i];
}

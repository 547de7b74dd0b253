// y = silu(gate) * up; y may be gate.
#version 450

layout(local_size_x = 128) in;

layout(binding = 0) readonly buffer Gates { float gate[]; };
layout(binding = 1) readonly buffer Ups { float up[]; };
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint count;
};

void main() {
  const uint stride = gl_NumWorkGroups.x * 128;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
    y[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
  }
}

// y = activation of gate and up, by the number of model::Activation; y may be gate.
#version 450

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint ACTIVATION = 0;

layout(binding = 0) readonly buffer Gates { float gate[]; };
layout(binding = 1) readonly buffer Ups { float up[]; };
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint count;
};

const uint SILU = 0, GELU = 1;

void main() {
  const uint stride = gl_NumWorkGroups.x * 128;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += stride) {
    float g = gate[i], u = up[i], z = g;
    if (ACTIVATION == GELU) {
      z = 1.5957691216057308 * (g + 0.044715 * g * g * g);
    } else if (ACTIVATION != SILU) {
      g = min(g, 7);
      z = 1.702 * g;
      u = clamp(u, -7, 7) + 1;
    }
    y[i] = g / (1 + exp(-z)) * u;
  }
}

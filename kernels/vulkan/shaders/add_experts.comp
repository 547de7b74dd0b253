// x[t, :] += sum over i of weight(t, i) * y[t used + i, :], in the order of i.
#version 450

layout(local_size_x = 64) in;

layout(binding = 0) buffer Sums { float x[]; };
layout(binding = 1) readonly buffer Parts { float y[]; };
layout(binding = 2) readonly buffer Choices { float choice[]; };
layout(push_constant) uniform Push {
  uint cols;
  uint used;
};

void main() {
  const uint column = gl_GlobalInvocationID.x, row = gl_WorkGroupID.y;
  if (column >= cols) return;
  float sum = x[row * cols + column];
  for (uint i = 0; i < used; ++i) {
    sum = fma(choice[(2 * row + 1) * used + i], y[(row * used + i) * cols + column], sum);
  }
  x[row * cols + column] = sum;
}

// y[row] = x[row] / rms(x[row]) * weight; y may be x.
#version 450

layout(local_size_x = 128) in;

layout(binding = 0) readonly buffer Input { float x[]; };
layout(binding = 1) readonly buffer Factors { float weight[]; };
layout(binding = 2) writeonly buffer Output { float y[]; };
layout(push_constant) uniform Push {
  uint dim;
  float epsilon;
};

shared float sums[128];

void main() {
  const uint t = gl_LocalInvocationID.x;
  const uint row = gl_WorkGroupID.x * dim;
  float sum = 0;
  for (uint i = t; i < dim; i += 128) sum = fma(x[row + i], x[row + i], sum);
  sums[t] = sum;
  barrier();
  for (uint step = 64; step > 0; step /= 2) {
    if (t < step) sums[t] += sums[t + step];
    barrier();
  }
  const float factor = 1 / sqrt(sums[0] / float(dim) + epsilon);
  for (uint i = t; i < dim; i += 128) y[row + i] = x[row + i] * factor * weight[i];
}

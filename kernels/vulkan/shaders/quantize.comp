// x [rows, cols] to blocks of 8-bit codes, as the products of quantized weights take them.
//
// BLOCK 256: 64 words of codes | 16 sums of 16 codes | scale (f32) | 3 unused
// BLOCK 32:  8 words of codes | scale (f32) | sum of the codes | 2 unused
// A block with a value that is no number gets a scale that is none.
#version 450

layout(local_size_x = 64) in;  // 4 columns each
layout(constant_id = 0) const uint BLOCK = 256;

layout(binding = 0) readonly buffer Activations { float x[]; };
layout(binding = 1) writeonly buffer Quantized { uint q[]; };
layout(push_constant) uniform Push {
  uint cols;
};

const uint THREADS = BLOCK / 4;  // of a block
const uint WORDS = BLOCK == 32 ? 12 : 84;
const uint SCALE = BLOCK == 32 ? 8 : 80;

shared float most[64];
shared uint bad[64];
shared int sums[64];

void main() {
  const uint t = gl_LocalInvocationID.x;
  const uint column = gl_WorkGroupID.x * 256 + 4 * t;
  const uint row = gl_WorkGroupID.y;
  const bool inside = column < cols;
  float values[4];
  float top = 0;
  bool no_number = false;
  for (uint i = 0; i < 4; ++i) {
    values[i] = inside ? x[row * cols + column + i] : 0;
    no_number = no_number || isnan(values[i]) || isinf(values[i]);
    top = max(top, abs(values[i]));
  }
  most[t] = top;
  bad[t] = no_number ? 1 : 0;
  barrier();
  for (uint step = THREADS / 2; step > 0; step /= 2) {
    if (t % THREADS < step) {
      most[t] = max(most[t], most[t + step]);
      bad[t] |= bad[t + step];
    }
    barrier();
  }
  const uint first = t - t % THREADS;
  const float largest = most[first];
  const bool tiny = largest < 1e-30;
  const float inverse = tiny ? 0 : 127 / largest;
  uint word = 0;
  int sum = 0;
  for (uint i = 0; i < 4; ++i) {
    const int code = bad[first] != 0 ? 0 : int(roundEven(values[i] * inverse));
    word |= uint(code & 255) << (8 * i);
    sum += code;
  }
  sums[t] = sum;
  barrier();
  if (!inside) return;
  const uint at = (row * (cols / BLOCK) + column / BLOCK) * WORDS;
  q[at + t % THREADS] = word;
  if (t == first) {
    const uint nan = 0x7fc00000u;
    q[at + SCALE] = bad[first] != 0 ? nan : floatBitsToUint(tiny ? 0 : largest / 127);
    if (BLOCK == 32) {
      int total = 0;
      for (uint i = 0; i < 8; ++i) total += sums[t + i];
      q[at + 9] = uint(total);
    }
  }
  if (BLOCK == 256 && t % 4 == 0) {
    q[at + 64 + t / 4] = uint(sums[t] + sums[t + 1] + sums[t + 2] + sums[t + 3]);
  }
}

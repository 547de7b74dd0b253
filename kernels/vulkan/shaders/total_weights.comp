// Each row's sum of what its tokens weigh: model/token_weight.h, bit by bit. A workgroup adds up
// CHUNK logits; another round, in which a row has one workgroup, adds up what these left.
#version 450
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x = 128) in;

layout(binding = 0) readonly buffer Logits { float logits[]; };
layout(binding = 1) readonly buffer Best { float best[]; };
layout(binding = 2) readonly buffer Parameters { uint parameters[]; };
layout(binding = 3) buffer Sums { uvec2 sums[]; };  // low and high words
layout(binding = 4) writeonly buffer Totals { float totals[]; };
layout(push_constant) uniform Push {
  uint cols;
  uint count;   // of the best logits of a row
  uint scales;  // where they begin
  uint groups;  // of a row
  uint last;
};

const uint CHUNK = 4096;
const uint TERMS[7] = uint[7](470068, 2665324, 20783807, 119155374, 515886927, 1488522149,
                              2147483648u);

shared uvec2 parts[128];

uvec2 added(uvec2 a, uvec2 b) {
  uint carry;
  const uint low = uaddCarry(a.x, b.x, carry);
  return uvec2(low, a.y + b.y + carry);
}

uint weight_of(float logit, float top, float scale) {
  precise float y = (top - logit) * scale;
  if (!(y < 33)) return 0;
  const uint whole = uint(y);
  precise float part = y - float(whole);
  const uint g = ~uint(part * 4294967296.0);
  uint sum = 0;
  [[unroll]] for (uint i = 0; i < 7; ++i) {
    uint high, low;
    umulExtended(sum, g, high, low);
    sum = TERMS[i] + high;
  }
  return whole == 0 ? sum : ((sum >> (whole - 1)) + 1) >> 1;
}

void main() {
  const uint t = gl_LocalInvocationID.x, row = gl_WorkGroupID.y;
  uvec2 total = uvec2(0);
  if (last == 0) {
    const float top = best[row * 2 * count + count];
    const float scale = uintBitsToFloat(parameters[scales + row]);
    const uint first = gl_WorkGroupID.x * CHUNK;
    const uint end = scale > 0 ? min(first + CHUNK, cols) : first;
    for (uint i = first + t; i < end; i += 128) {
      total = added(total, uvec2(weight_of(logits[row * cols + i], top, scale), 0));
    }
  } else {
    for (uint i = t; i < groups; i += 128) total = added(total, sums[row * groups + i]);
  }
  parts[t] = total;
  for (uint step = 64; step > 0; step /= 2) {
    barrier();
    if (t < step) parts[t] = added(parts[t], parts[t + step]);
  }
  if (t != 0) return;
  total = parts[0];
  if (last == 0) {
    sums[row * groups + gl_WorkGroupID.x] = total;
  } else {
    totals[3 * row] = float(total.x & 0xffffffu);
    totals[3 * row + 1] = float((total.x >> 24) | ((total.y & 0xffffu) << 8));
    totals[3 * row + 2] = float(total.y >> 16);
  }
}

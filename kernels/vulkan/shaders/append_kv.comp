// Stores keys and values [rows, kv_heads, head_dim] in the cache. An invocation stores 32 elements
// of a key or a value.
#version 450

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint KV_TYPE = 0;

layout(binding = 0) readonly buffer Keys { float k[]; };
layout(binding = 1) readonly buffer Values { float v[]; };
layout(binding = 2) readonly buffer Parameters { uint p[]; };
layout(binding = 3) writeonly buffer Cache { uint kv[]; };
layout(push_constant) uniform Push {
  uint rows_at;  // in p: for each row its position, where its pages are from here, the first one
  uint kv_heads;
  uint head_dim;
};

#include "kv.glsl"

float element(bool value, uint i) { return value ? v[i] : k[i]; }

const uint HALF_NAN = 0x7e00;

void main() {
  const uint groups = (head_dim + 31) / 32;
  const uint i = gl_WorkGroupID.x * 64 + gl_LocalInvocationID.x;
  const uint row = gl_WorkGroupID.y;
  if (i >= 2 * kv_heads * groups) return;
  const bool value = i >= kv_heads * groups;
  const uint head = i / groups % kv_heads, group = i % groups;
  const uint position = p[rows_at + 3 * row];
  const uint index = position / PAGE_TOKENS - p[rows_at + 3 * row + 2];
  const uint page = p[rows_at + p[rows_at + 3 * row + 1] + index];
  uint to = kv_at(page, position % PAGE_TOKENS, head, kv_heads, head_dim);
  if (value) to += PAGE_TOKENS * kv_words(head_dim);
  const uint from = (row * kv_heads + head) * head_dim + 32 * group;
  const uint count = min(32, head_dim - 32 * group);
  if (KV_TYPE == KV_F32) {
    for (uint e = 0; e < count; ++e) {
      kv[to + 32 * group + e] = floatBitsToUint(element(value, from + e));
    }
  } else if (KV_TYPE == KV_F16) {
    for (uint e = 0; e < count; e += 2) {
      const vec2 two = vec2(element(value, from + e), element(value, from + e + 1));
      kv[to + 16 * group + e / 2] = packHalf2x16(two);
    }
  } else {
    float most = 0;
    bool bad = false;
    for (uint e = 0; e < 32; ++e) {
      const float of = element(value, from + e);
      bad = bad || isnan(of) || isinf(of);
      most = max(most, abs(of));
    }
    const uint scale = bad ? HALF_NAN : packHalf2x16(vec2(most / 127, 0));
    const float stored = unpackHalf2x16(scale).x;  // codes are of the scale as it is stored
    const float inverse = !bad && stored > 0 ? 1 / stored : 0;
    for (uint g = 0; g < 8; ++g) {
      uint word = 0;
      for (uint e = 0; e < 4; ++e) {
        const float of = bad ? 0 : element(value, from + 4 * g + e);
        const int code = int(clamp(roundEven(of * inverse), -127, 127));
        word |= uint(code & 255) << (8 * e);
      }
      kv[to + 9 * group + g] = word;
    }
    kv[to + 9 * group + 8] = scale;
  }
}

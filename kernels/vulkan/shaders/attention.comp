// out [rows, heads, head_dim] = softmax(scale * q k^T) v over the positions up to the row's own,
// with a running maximum and sum: positions are taken CHUNK at a time, in their order, so a row has
// the same bits in any batch. A workgroup computes one head of one row.
#version 450

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint KV_TYPE = 0;

layout(binding = 0) readonly buffer Queries { float q[]; };
layout(binding = 1) readonly buffer Parameters { uint p[]; };
layout(binding = 2) readonly buffer Cache { uint kv[]; };
layout(binding = 3) writeonly buffer Output { float y[]; };
layout(binding = 4) readonly buffer Sinks { float sinks[]; };  // anything where has_sinks is 0
layout(push_constant) uniform Push {
  uint rows_at;
  uint heads;
  uint kv_heads;
  uint head_dim;
  float scale;
  float soft_cap;  // 0: none
  uint window;     // 0: none
  uint has_sinks;
};

#include "kv.glsl"
#include "tanh.glsl"

const uint CHUNK = 64;         // an invocation each
const uint HEAD_DIM_MAX = 256;
const uint DIMS = HEAD_DIM_MAX / CHUNK;

shared float query[HEAD_DIM_MAX];
shared float weights[CHUNK];
shared float scratch[CHUNK];
shared uint keys[CHUNK];  // where they begin in kv

float element(uint at, uint i) {
  if (KV_TYPE == KV_F32) return uintBitsToFloat(kv[at + i]);
  if (KV_TYPE == KV_F16) {
    const vec2 two = unpackHalf2x16(kv[at + i / 2]);
    return i % 2 == 0 ? two.x : two.y;
  }
  const uint group = at + 9 * (i / 32);
  const float of = unpackHalf2x16(kv[group + 8]).x;
  return of * float(bitfieldExtract(int(kv[group + i % 32 / 4]), int(8 * (i % 4)), 8));
}

float dot_with_query(uint at) {
  float sum = 0;
  for (uint i = 0; i < head_dim; ++i) sum = fma(query[i], element(at, i), sum);
  return sum;
}

void main() {
  const uint t = gl_LocalInvocationID.x;
  const uint head = gl_WorkGroupID.x, row = gl_WorkGroupID.y;
  const uint kv_head = head / (heads / kv_heads);
  const uint at = (row * heads + head) * head_dim;
  const uint length = p[rows_at + 3 * row] + 1;
  const uint pages = rows_at + p[rows_at + 3 * row + 1];
  const uint first_page = p[rows_at + 3 * row + 2];
  const uint begin = window > 0 && length > window ? length - window : 0;
  for (uint i = t; i < head_dim; i += CHUNK) query[i] = q[at + i] * scale;
  float totals[DIMS];
  for (uint d = 0; d < DIMS; ++d) totals[d] = 0;
  float most = uintBitsToFloat(0xff800000u), sum = 0;  // minus infinity
  if (has_sinks != 0) {
    most = sinks[head];
    sum = 1;
  }
  for (uint first = begin / CHUNK * CHUNK; first < length; first += CHUNK) {
    barrier();
    const uint position = first + t;
    const bool inside = position >= begin && position < length;
    float score = uintBitsToFloat(0xff800000u);
    if (inside) {
      keys[t] = kv_at(p[pages + position / PAGE_TOKENS - first_page], position % PAGE_TOKENS,
                      kv_head, kv_heads, head_dim);
      score = dot_with_query(keys[t]);
      if (soft_cap > 0) score = soft_cap * tanh_of(score / soft_cap);
    }
    scratch[t] = score;
    barrier();
    for (uint step = CHUNK / 2; step > 0; step /= 2) {
      if (t < step) scratch[t] = max(scratch[t], scratch[t + step]);
      barrier();
    }
    const float top = max(most, scratch[0]);
    barrier();
    weights[t] = inside ? exp(score - top) : 0;
    scratch[t] = weights[t];
    barrier();
    for (uint step = CHUNK / 2; step > 0; step /= 2) {
      if (t < step) scratch[t] += scratch[t + step];
      barrier();
    }
    const float before = exp(most - top);
    sum = fma(sum, before, scratch[0]);
    most = top;
    const uint count = min(CHUNK, length - first);
    const uint skip = max(begin, first) - first;
    for (uint d = 0; d < DIMS; ++d) {
      const uint i = d * CHUNK + t;
      if (i >= head_dim) break;
      float total = totals[d] * before;
      for (uint j = skip; j < count; ++j) {
        total = fma(weights[j], element(keys[j] + PAGE_TOKENS * kv_words(head_dim), i), total);
      }
      totals[d] = total;
    }
  }
  for (uint d = 0; d < DIMS; ++d) {
    const uint i = d * CHUNK + t;
    if (i < head_dim) y[at + i] = totals[d] / sum;
  }
}

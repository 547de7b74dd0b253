// Each row's `used` largest logits, the largest first, the lower number where two are equal, and the
// softmax of these. An invocation has one row.
#version 450

layout(local_size_x = 64) in;

layout(binding = 0) readonly buffer Logits { float logits[]; };
layout(binding = 1) buffer Choices { float choice[]; };  // [rows, 2 used]: numbers, weights
layout(push_constant) uniform Push {
  uint rows;
  uint experts;
  uint used;
};

bool below(float a, float b) { return a < b || (isnan(a) && !isnan(b)); }

void main() {
  const uint row = gl_GlobalInvocationID.x;
  if (row >= rows) return;
  const uint from = row * experts, to = row * 2 * used;
  uint count = 0;
  for (uint e = 0; e < experts; ++e) {
    uint at = count;
    while (at > 0 && below(logits[from + uint(choice[to + at - 1])], logits[from + e])) --at;
    if (at == used) continue;
    count = min(count + 1, used);
    for (uint i = count - 1; i > at; --i) choice[to + i] = choice[to + i - 1];
    choice[to + at] = float(e);
  }
  const float top = logits[from + uint(choice[to])];
  float total = 0;
  for (uint i = 0; i < used; ++i) {
    const float weight = exp(logits[from + uint(choice[to + i])] - top);
    choice[to + used + i] = weight;
    total += weight;
  }
  for (uint i = 0; i < used; ++i) choice[to + used + i] /= total;
}

// The best logits of each row, in the order in which tokens are drawn: what is no finite number,
// then the largest, the lower column where two are equal. A workgroup takes 1,024 entries and leaves
// `keep`: runs of as many are sorted, one forward and one backward in turn, and of two runs the
// better of each pair of entries are the best of both. Rounds follow until one workgroup is enough
// for a row.
// Source: Shanbhag, Pirk, Madden 2018, "Efficient Top-K Query Processing on Massively Parallel
// Hardware".
#version 450

layout(local_size_x = 128) in;

layout(binding = 0) readonly buffer Logits { float logits[]; };
layout(binding = 1) readonly buffer From { uvec2 from[]; };
layout(binding = 2) writeonly buffer To { uint to[]; };
layout(push_constant) uniform Push {
  uint cols;
  uint entries;  // of a row in this round
  uint count;
  uint keep;     // a power of two, at most 64; no constant, so that no driver unrolls all steps
  uint first;    // this round takes logits, not what a round left
  uint last;     // it gives `count` columns and their values
};

const uint CHUNK = 1024;

shared uvec2 list[CHUNK];  // key, column

// Larger for what comes first.
uint key_of(float logit) {
  const uint bits = floatBitsToUint(logit);
  if ((bits & 0x7f800000u) == 0x7f800000u) return 0xffffffffu;
  if (bits == 0x80000000u) return bits;  // the two zeros are equal
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

bool before(uvec2 a, uvec2 b) { return a.x > b.x || (a.x == b.x && a.y < b.y); }

// A step of a bitonic sort of `runs` runs of `size` entries, which begin `stride` apart. All of
// these are powers of two.
void exchange(uint runs, uint size, uint stride, uint apart) {
  const uint pairs = size / 2;
  for (uint p = gl_LocalInvocationID.x; p < runs * pairs; p += 128) {
    const uint run = p >> findMSB(pairs), pair = p & (pairs - 1);
    const uint i = run * stride + 2 * (pair & ~(apart - 1)) + (pair & (apart - 1));
    const uvec2 a = list[i], b = list[i + apart];
    if (before(b, a) == (run % 2 == 0)) {
      list[i] = b;
      list[i + apart] = a;
    }
  }
}

void main() {
  const uint t = gl_LocalInvocationID.x, row = gl_WorkGroupID.y;
  for (uint i = t; i < CHUNK; i += 128) {
    const uint at = gl_WorkGroupID.x * CHUNK + i;
    uvec2 entry = uvec2(0, 0xffffffffu);  // after all others
    if (at < entries) {
      if (first != 0) {
        entry = uvec2(key_of(logits[row * cols + at]), at);
      } else {
        entry = from[row * entries + at];
      }
    }
    list[i] = entry;
  }
  for (uint size = 2; size <= keep; size *= 2) {
    for (uint apart = size / 2; apart > 0; apart /= 2) {
      barrier();
      exchange(CHUNK / size, size, size, apart);
    }
  }
  for (uint stride = keep; stride < CHUNK; stride *= 2) {
    barrier();
    const uint runs = CHUNK / (2 * stride);
    for (uint p = t; p < runs * keep; p += 128) {
      const uint i = (p >> findMSB(keep)) * 2 * stride + (p & (keep - 1));
      if (before(list[i + stride], list[i])) list[i] = list[i + stride];
    }
    for (uint apart = keep / 2; apart > 0; apart /= 2) {
      barrier();
      exchange(runs, keep, 2 * stride, apart);
    }
  }
  barrier();
  if (last != 0) {
    if (t >= count) return;
    const uint column = list[t].y;
    to[row * 2 * count + t] = floatBitsToUint(float(column));
    to[row * 2 * count + count + t] = floatBitsToUint(logits[row * cols + column]);
  } else if (t < keep) {
    const uint at = (row * gl_NumWorkGroups.x + gl_WorkGroupID.x) * keep + t;
    to[2 * at] = list[t].x;
    to[2 * at + 1] = list[t].y;
  }
}

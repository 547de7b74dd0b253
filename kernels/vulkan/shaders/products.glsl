// Products of a quad's quantized weights with a row of x, as matmul_block, matmul_tile,
// matmul_matrix and matmul_experts_block all compute them: integers within a block, and one order of
// operations on f32 over blocks. So the same element has the same bits from each.
// The file that includes this declares `uvec4 x[]`, which quantize.comp has written.

#include "weights.glsl"
#include "dot4.glsl"

const bool HAS_MINS = TYPE == Q4_K || TYPE == Q5_K || HAS_MIN;
const uint SUB_BLOCKS = OF_32 ? 1 : 8;
const uint X_LOADS = OF_32 ? 3 : 21;
const uint X_SCALE = OF_32 ? 2 : 20;

ivec4 dot4_each(uvec4 words, uint of_x) {
  return ivec4(dot4(words.x, of_x), dot4(words.y, of_x), dot4(words.z, of_x),
               dot4(words.w, of_x));
}

// Adds half 0 or 1 of sub-block s to the block's integers. `sums` has its plain dot products; only
// Q6_K has a scale for each half, of the other types both halves are in it when half 1 ends.
void add_half(uint half_of, uint s, Scales k, inout ivec4 sums, inout ivec4 dots) {
  if (TYPE == Q6_K) {
    dots += scale6_of(k, s, half_of) * sums;
    sums = ivec4(0);
  } else if (half_of == 1) {
    dots += OF_32 ? sums : scale_of(k, s) * sums;
    sums = ivec4(0);
  }
}

// What the zero points or mins of a block of weights take from its integers: times the sums of the
// codes of x.
ivec4 offsets_of(uint x_at, Scales k) {
  if (TYPE == Q8_0 || NAMED) return ivec4(0);
  if (OF_32) return ivec4((HAS_MIN ? -1 : TYPE == Q5_0 ? 16 : 8) * int(x[x_at + X_SCALE].y));
  ivec4 offsets = ivec4(0);
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    const ivec4 x_sums = ivec4(x[x_at + 16 + i]);  // of 16 codes each, of two sub-blocks
    [[unroll]] for (uint s = 0; s < 2; ++s) {
      if (HAS_MINS) {
        offsets += min_of(k, 2 * i + s) * (x_sums[2 * s] + x_sums[2 * s + 1]);
      } else {
        offsets += 32 * (scale6_of(k, 2 * i + s, 0) * x_sums[2 * s] +
                         scale6_of(k, 2 * i + s, 1) * x_sums[2 * s + 1]);
      }
    }
  }
  return offsets;
}

// Adds the integers of the block of weights at `at` times the block of x at `x_at` to the sum over
// blocks.
vec4 add_integers(uint at, uint quad, uint x_at, ivec4 dots, ivec4 offsets, vec4 total) {
  const float x_scale = uintBitsToFloat(x[x_at + X_SCALE].x);
  const vec4 d = d_at(at, quad);
  precise vec4 sum;
  if (HAS_MINS) {
    sum = fma(vec4(dots), d * x_scale, total);
    sum = fma(-vec4(offsets), halves_at(at + 1, quad) * x_scale, sum);
  } else {
    sum = fma(vec4(dots - offsets), d * x_scale, total);
  }
  return sum;
}
vec4 add_block(uint at, uint quad, uint x_at, Scales k, ivec4 dots, vec4 total) {
  return add_integers(at, quad, x_at, dots, offsets_of(x_at, k), total);
}

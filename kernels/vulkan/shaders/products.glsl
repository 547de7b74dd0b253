// Products of a quad's quantized weights with a row of x, as matmul_block.comp and matmul_tile.comp
// both compute them: integers within a block, and one order of operations on f32 over blocks. So
// the same element has the same bits from either.
// The file that includes this declares `uvec4 x[]`, which quantize.comp has written.

#include "weights.glsl"
#include "dot4.glsl"

const bool OF_32 = TYPE == Q4_0 || TYPE == Q8_0;
const bool HAS_MINS = TYPE == Q4_K || TYPE == Q5_K;
const uint SUB_BLOCKS = OF_32 ? 1 : 8;
const uint X_LOADS = OF_32 ? 3 : 21;
const uint X_SCALE = OF_32 ? 2 : 20;

// Of the codes of halves 0 and 1 of a sub-block of x; blocks of 32 have one for both.
ivec2 x_sums_of(uint x_at, uint s) {
  if (OF_32) return ivec2(int(x[x_at + X_SCALE].y), 0);
  const uvec4 four = x[x_at + 16 + s / 2];
  return ivec2(s % 2 == 0 ? four.xy : four.zw);
}

ivec4 dot4_each(uvec4 words, uint of_x) {
  return ivec4(dot4(words.x, of_x), dot4(words.y, of_x), dot4(words.z, of_x),
               dot4(words.w, of_x));
}

// Adds half 0 or 1 of a sub-block, of which `sums` has the plain dot products, to the block's
// integers. Only Q6_K has a scale for each half; of the other types both halves are in `sums`
// when half 1 ends.
void add_half(uint half_of, uint s, Scales k, ivec2 x_sums, inout ivec4 sums, inout ivec4 dots,
              inout ivec4 offsets) {
  if (TYPE == Q6_K) {
    dots += scale6_of(k, s, half_of) * (sums - 32 * x_sums[half_of]);
    sums = ivec4(0);
  } else if (half_of == 1) {
    if (HAS_MINS) {
      dots += scale_of(k, s) * sums;
      offsets += min_of(k, s) * (x_sums.x + x_sums.y);
    } else {
      dots += TYPE == Q4_0 ? sums - 8 * x_sums.x : sums;
    }
    sums = ivec4(0);
  }
}

// Adds the block at `at` to the sum over blocks.
vec4 add_block(uint at, uint quad, float x_scale, ivec4 dots, ivec4 offsets, vec4 total) {
  precise vec4 sum = fma(vec4(dots), halves_at(at, quad) * x_scale, total);
  if (HAS_MINS) sum = fma(-vec4(offsets), halves_at(at + 1, quad) * x_scale, sum);
  return sum;
}

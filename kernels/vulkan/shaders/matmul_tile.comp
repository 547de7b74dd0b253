// The products of matmul_block.comp for many rows of x, bit by bit the same: a workgroup computes a
// tile of 8 * PAIRS output rows and 4 * LANES rows of x, so that weights are read from memory and
// decoded once for as many rows. An invocation owns 8 by 4 elements. The columns pass through
// shared memory, 128 at a time.
#version 450
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint PAIRS = 8;  // of quads
layout(constant_id = 1) const uint LANES = 4;
layout(constant_id = 2) const uint TYPE = 12;
layout(constant_id = 3) const uint PARTS = 4;

layout(binding = 0) restrict readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) restrict readonly buffer Quantized { uvec4 x[]; };
const uint ROWS = 4;  // of x, for each invocation

#include "products.glsl"
#include "tile.glsl"

const uint STEP = 4;  // sub-blocks in the tiles: with them, 16 KiB at most, which all devices share
const uint INVOCATIONS = PAIRS * LANES;

shared uvec4 w_tile[STEP * 8 * QUADS];         // [sub-block][group of 4 columns][quad]
shared uvec4 x_tile[ROWS * LANES * STEP * 2];  // [row][sub-block][half of it]

// Where sub-block i of the tiles comes from: blocks of 32 columns follow each other from block
// `first_block` on; larger ones have their sub-blocks from `first_sub` on.
uvec2 block_and_sub_of(uint i, uint first_block, uint first_sub) {
  return OF_32 ? uvec2(min(first_block + i, blocks - 1), 0) : uvec2(first_block, first_sub + i);
}

// Eight invocations read 128 bytes of a panel in a row, two groups of a quad each, and eight others
// as many of a row of x.
void fill_tiles(uint first_block, uint first_sub) {
  const uint t = gl_LocalInvocationIndex;
  for (uint i = t; i < STEP * 4 * QUADS; i += INVOCATIONS) {
    const uint to = i / 8 % STEP, j = i / 2 % 4, column = i / (8 * STEP) * 2 + i % 2;
    const uvec2 from = block_and_sub_of(to, first_block, first_sub);
    const uint quad = quad_at(column), sub = quad % 2;
    const uint at = panel_of(quad, blocks) + from.x * block_loads();
    const Codes codes = codes_of(at, from.y, j, sub, upper_of(at, from.y, sub));
    w_tile[(8 * to + j) * QUADS + column] = codes.low;
    w_tile[(8 * to + 4 + j) * QUADS + column] = codes.high;
  }
  for (uint i = t; i < ROWS * LANES * STEP * 2; i += INVOCATIONS) {
    const uvec2 from = block_and_sub_of(i / 2 % STEP, first_block, first_sub);
    x_tile[i] = x[(row_at(i / (2 * STEP)) * blocks + from.x) * X_LOADS + 2 * from.y + i % 2];
  }
}

// Of this invocation: its quads, and where a block of its row r of x begins.
uint own_quad(uint q) { return quad_at(q * PAIRS + gl_LocalInvocationID.x); }
uint x_at(uint r, uint b) {
  return (row_at(r * LANES + gl_LocalInvocationID.y) * blocks + b) * X_LOADS;
}

// Adds sub-block i of the tiles, which is number s of a block, to the integers of the block.
void add_sub_block(uint i, uint s, Scales k[2], inout ivec4 dots[2 * ROWS]) {
  uvec4 of_x[2 * ROWS];
  [[unroll]] for (uint r = 0; r < 2 * ROWS; ++r) {
    of_x[r] = x_tile[(r / 2 * LANES + gl_LocalInvocationID.y) * STEP * 2 + 2 * i + r % 2];
  }
  [[unroll]] for (uint q = 0; q < 2; ++q) {
    ivec4 sums[ROWS];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) sums[r] = ivec4(0);
    [[unroll]] for (uint half_of = 0; half_of < 2; ++half_of) {
      [[unroll]] for (uint j = 0; j < 4; ++j) {
        const uint at = (8 * i + 4 * half_of + j) * QUADS + q * PAIRS + gl_LocalInvocationID.x;
        const uvec4 words = w_tile[at];
        [[unroll]] for (uint r = 0; r < ROWS; ++r) {
          sums[r] += dot4_each(words, of_x[2 * r + half_of][j]);
        }
      }
      [[unroll]] for (uint r = 0; r < ROWS; ++r) {
        add_half(half_of, s, k[q], sums[r], dots[q * ROWS + r]);
      }
    }
  }
}

// Adds the block's integers to the sums of the part, and begins anew.
void end_block(uint b, Scales k[2], inout ivec4 dots[2 * ROWS], inout vec4 totals[2 * ROWS]) {
  [[unroll]] for (uint r = 0; r < ROWS; ++r) {
    [[unroll]] for (uint q = 0; q < 2; ++q) {
      const uint i = q * ROWS + r, quad = own_quad(q);
      const uint at = panel_of(quad, blocks) + b * block_loads();
      totals[i] = add_block(at, quad % 2, x_at(r, b), k[q], dots[i], totals[i]);
      dots[i] = ivec4(0);
    }
  }
}

void main() {
  if (!begin_tile()) return;
  precise vec4 totals[2 * ROWS];
  [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) totals[i] = vec4(0);
  for (uint part = 0; part < PARTS; ++part) {
    vec4 part_totals[2 * ROWS];
    ivec4 dots[2 * ROWS];
    [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) {
      part_totals[i] = vec4(0);
      dots[i] = ivec4(0);
    }
    const uint end = (part + 1) * blocks / PARTS;
    for (uint first = part * blocks / PARTS; first < end; first += OF_32 ? STEP : 1) {
      Scales k[2];
      [[unroll]] for (uint q = 0; q < 2; ++q) {
        const uint quad = own_quad(q);
        if (!OF_32) k[q] = scales_of(panel_of(quad, blocks) + first * block_loads(), quad % 2);
      }
      for (uint first_sub = 0; first_sub < SUB_BLOCKS; first_sub += STEP) {
        barrier();  // what was there has been used
        fill_tiles(first, first_sub);
        barrier();
        const uint count = OF_32 ? min(STEP, end - first) : STEP;
        for (uint i = 0; i < count; ++i) {
          add_sub_block(i, OF_32 ? 0 : first_sub + i, k, dots);
          if (OF_32) end_block(first + i, k, dots, part_totals);
        }
      }
      if (!OF_32) end_block(first, k, dots, part_totals);
    }
    [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) totals[i] += part_totals[i];
  }
  [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) {
    write(i % ROWS * LANES + gl_LocalInvocationID.y, i / ROWS * PAIRS + gl_LocalInvocationID.x,
          totals[i]);
  }
}

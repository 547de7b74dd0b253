// The products of matmul_block.comp for many rows of x, bit by bit the same, on devices whose
// subgroups multiply matrices of bytes (VK_KHR_cooperative_matrix). A subgroup computes a tile of
// SIDE output rows and as many rows of x, a workgroup two by one or two by two of those. The
// columns pass through shared memory, 64 at a time, as bytes (planes.glsl). The integers of a block
// stay in matrices until it ends; then they pass through shared memory too, since which invocation
// holds which element of a matrix is the driver's own matter, and the sums over blocks are made of
// them as everywhere else.
#version 450
#extension GL_EXT_control_flow_attributes : require
#ifndef PLAIN_MATRICES
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#endif

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 128;
layout(constant_id = 1) const uint SUBGROUP = 32;  // 8 to 64
layout(constant_id = 2) const uint TYPE = 12;
layout(constant_id = 3) const uint PARTS = 4;
// The shape in which the device multiplies: M by K weights and K by N of x.
layout(constant_id = 4) const uint M = 16;  // divides SIDE
layout(constant_id = 5) const uint N = 16;  // divides 16
layout(constant_id = 6) const uint K = 16;  // divides 32
layout(constant_id = 7) const uint SIDE = 32;  // or 16

layout(binding = 0) restrict readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) restrict readonly buffer Quantized { uvec4 x[]; };
layout(binding = 2) restrict writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint out_rows;   // of this buffer of weights
  uint first_out;  // its first row among those of the matrix
  uint blocks;     // in a row
  uint x_rows;
  uint y_stride;   // rows of the matrix
};

#include "products.glsl"
#include "planes.glsl"

const uint WIDE = 2;   // subgroups along the output rows
const uint TALL = INVOCATIONS / (WIDE * SUBGROUP);  // and along the rows of x
const uint SIDE_QUADS = SIDE / QUAD_ROWS;
const uint QUADS = WIDE * SIDE_QUADS;
const uint STEP = 2;  // sub-blocks in the tiles
// Words of a row in the tiles: 16 bytes more than it has codes, so that rows that follow each other
// are in other banks of the memory.
const uint STRIDE = 8 * STEP + 4;
// Of a matrix of integers, rows of x that are in shared memory at once; each takes as many vectors.
const uint ROUND = 16;
const uint ROUND_STRIDE = SIDE_QUADS + 1;
const uint OWN = SIDE_QUADS * ROUND / SUBGROUP;  // rows of x of an invocation in a round
const uint OWN_ALL = SIDE / ROUND * OWN;

shared uint w_tile[PLANES * WIDE * SIDE * STRIDE];
shared uint x_tile[TALL * SIDE * STRIDE];
shared ivec4 integers[WIDE * TALL * ROUND * ROUND_STRIDE];

#include "matrices.glsl"

Sums sums[PLANES * SIDE / M * (SIDE / N)];

// The sums over a part's blocks that are this invocation's: all rows of its first round, then those
// of the next.
vec4 part_totals[OWN_ALL];

uint sum_index(uint plane, uint m, uint n) { return (plane * SIDE / M + m) * (SIDE / N) + n; }

// Quads and rows beyond the last compute the last once more, and are not written.
uint quad_at(uint i) { return min(gl_WorkGroupID.x * QUADS + i, (out_rows + 7) / 8 * 2 - 1); }
uint row_at(uint i) { return min(gl_WorkGroupID.y * TALL * SIDE + i, x_rows - 1); }

// What of the tile is this subgroup's.
uint wide() { return subgroup_id() % WIDE; }
uint tall() { return subgroup_id() / WIDE; }
// What of that is this invocation's: a quad, and row i of those that it has in a round.
uint own_quad() { return wide() * SIDE_QUADS + subgroup_lane() % SIDE_QUADS; }
uint own_row(uint i) {
  return subgroup_lane() / SIDE_QUADS + i * (SUBGROUP / SIDE_QUADS);
}

void put_codes(uint plane, uint row, uint word, uvec4 codes) {
  [[unroll]] for (uint i = 0; i < QUAD_ROWS; ++i) {
    w_tile[(plane * WIDE * SIDE + row + i) * STRIDE + word] = codes[i];
  }
}

// Eight invocations read 128 bytes of a panel in a row, as those of matmul_tile.comp do; four
// others 64 bytes of a row of x.
void fill_tiles(uint first_block, uint first_sub) {
  const uint t = gl_LocalInvocationIndex;
  for (uint i = t; i < STEP * 4 * QUADS; i += INVOCATIONS) {
    const uint to = i / 8 % STEP, j = i / 2 % 4, column = i / (8 * STEP) * 2 + i % 2;
    const uint block = OF_32 ? min(first_block + to, blocks - 1) : first_block;
    const uint s = OF_32 ? 0 : first_sub + to;
    const uint quad = quad_at(column), sub = quad % 2;
    const uint at = panel_of(quad, blocks) + block * block_loads();
    const Codes codes = codes_of(at, s, j, sub, upper_of(at, s, sub));
    const ivec4 scale = half_scale(at, s, 0, sub);
    const Planes low = planes_of(codes.low, scale);
    const Planes high =
        planes_of(codes.high, TYPE == Q6_K ? half_scale(at, s, 1, sub) : scale);
    put_codes(0, QUAD_ROWS * column, 8 * to + j, low.low);
    put_codes(0, QUAD_ROWS * column, 8 * to + 4 + j, high.low);
    if (PLANES == 2) {
      put_codes(1, QUAD_ROWS * column, 8 * to + j, low.high);
      put_codes(1, QUAD_ROWS * column, 8 * to + 4 + j, high.high);
    }
  }
  for (uint i = t; i < TALL * SIDE * STEP * 2; i += INVOCATIONS) {
    const uint row = i / (2 * STEP), to = i / 2 % STEP;
    const uint block = OF_32 ? min(first_block + to, blocks - 1) : first_block;
    const uint s = OF_32 ? 0 : first_sub + to;
    const uvec4 codes = x[(row_at(row) * blocks + block) * X_LOADS + 2 * s + i % 2];
    [[unroll]] for (uint e = 0; e < 4; ++e) {
      x_tile[row * STRIDE + 8 * to + 4 * (i % 2) + e] = codes[e];
    }
  }
}

void clear_sums() {
  [[unroll]] for (uint i = 0; i < PLANES * SIDE / M * (SIDE / N); ++i) clear(sums[i]);
}

// Adds the products of sub-block `to` of the tiles.
void multiply(uint to) {
  [[unroll]] for (uint k = 0; k < 32 / K; ++k) {
    const uint word = 8 * to + k * (K / 4);
    OfX of_x[SIDE / N];
    [[unroll]] for (uint n = 0; n < SIDE / N; ++n) {
      load_x(of_x[n], (tall() * SIDE + n * N) * STRIDE + word);
    }
    [[unroll]] for (uint plane = 0; plane < PLANES; ++plane) {
      [[unroll]] for (uint m = 0; m < SIDE / M; ++m) {
        OfWeights of_w;
        load_weights(of_w, ((plane * WIDE + wide()) * SIDE + m * M) * STRIDE + word);
        [[unroll]] for (uint n = 0; n < SIDE / N; ++n) {
          multiply_add(of_w, of_x[n], sums[sum_index(plane, m, n)]);
        }
      }
    }
  }
}

// Adds block b's integers to the sums of the part.
void end_block(uint b) {
  const uint quad = quad_at(own_quad()), sub = quad % 2;
  const uint at = panel_of(quad, blocks) + b * block_loads();
  const uint to = subgroup_id() * ROUND * ROUND_STRIDE;
  Scales scales;
  if (HAS_MINS && !OF_32) scales = scales_of(at, sub);
  [[unroll]] for (uint r = 0; r < SIDE / ROUND; ++r) {
    [[unroll]] for (uint m = 0; m < SIDE / M; ++m) {
      [[unroll]] for (uint n = 0; n < ROUND / N; ++n) {
        const uint i = sum_index(0, m, r * (ROUND / N) + n);
        if (PLANES == 2) add_high(sums[i], sums[sum_index(PLANES - 1, m, r * (ROUND / N) + n)]);
        store(sums[i], to + n * N * ROUND_STRIDE + m * (M / 4));
      }
    }
    subgroup_barrier();
    [[unroll]] for (uint i = 0; i < OWN; ++i) {
      const ivec4 dots =
          integers[to + own_row(i) * ROUND_STRIDE + subgroup_lane() % SIDE_QUADS];
      const uint row = row_at(tall() * SIDE + r * ROUND + own_row(i));
      const uint x_at = (row * blocks + b) * X_LOADS;
      const ivec4 offsets = HAS_MINS ? offsets_of(x_at, scales) : ivec4(0);
      part_totals[r * OWN + i] =
          add_integers(at, sub, x_at, dots, offsets, part_totals[r * OWN + i]);
    }
    subgroup_barrier();  // all have been read
  }
}

void main() {
  precise vec4 totals[OWN_ALL];
  [[unroll]] for (uint i = 0; i < OWN_ALL; ++i) totals[i] = vec4(0);
  for (uint part = 0; part < PARTS; ++part) {
    [[unroll]] for (uint i = 0; i < OWN_ALL; ++i) part_totals[i] = vec4(0);
    const uint end = (part + 1) * blocks / PARTS;
    for (uint first = part * blocks / PARTS; first < end; first += OF_32 ? STEP : 1) {
      if (!OF_32) clear_sums();
      for (uint first_sub = 0; first_sub < SUB_BLOCKS; first_sub += STEP) {
        barrier();  // what was there has been used
        fill_tiles(first, first_sub);
        barrier();
        const uint count = OF_32 ? min(STEP, end - first) : STEP;
        for (uint i = 0; i < count; ++i) {
          if (OF_32) clear_sums();
          multiply(i);
          if (OF_32) end_block(first + i);
        }
      }
      if (!OF_32) end_block(first);
    }
    [[unroll]] for (uint i = 0; i < OWN_ALL; ++i) totals[i] += part_totals[i];
  }
  const uint quad = gl_WorkGroupID.x * QUADS + own_quad();
  [[unroll]] for (uint i = 0; i < OWN_ALL; ++i) {
    const uint row = (gl_WorkGroupID.y * TALL + tall()) * SIDE + i / OWN * ROUND + own_row(i % OWN);
    [[unroll]] for (uint e = 0; e < QUAD_ROWS; ++e) {
      if (row < x_rows && QUAD_ROWS * quad + e < out_rows) {
        y[row * y_stride + first_out + QUAD_ROWS * quad + e] = totals[i][e];
      }
    }
  }
}

// The products of matmul_float.comp for many rows of x, bit by bit the same: a workgroup computes a
// tile of 8 * PAIRS output rows and 4 * LANES rows of x, so that weights are read from memory once
// for as many rows. An invocation owns 8 by 4 elements. The columns pass through shared memory, 32
// at a time.
#version 450
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 0) const uint PAIRS = 8;  // of quads
layout(constant_id = 1) const uint LANES = 4;
layout(constant_id = 2) const uint TYPE = 0;
layout(constant_id = 3) const uint PARTS = 4;

layout(binding = 0) restrict readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) restrict readonly buffer Activations { float x[]; };
layout(binding = 2) restrict writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint out_rows;   // of this buffer of weights
  uint first_out;  // its first row among those of the matrix
  uint blocks;     // columns
  uint x_rows;
  uint y_stride;   // rows of the matrix
};

#include "weights.glsl"

const uint ROWS = 4;   // of x, for each invocation
const uint STEP = 32;  // columns in the tiles: with them, 16 KiB at most, which all devices share
const uint QUADS = 2 * PAIRS;
const uint INVOCATIONS = PAIRS * LANES;

shared vec4 w_tile[STEP * QUADS];  // [column][quad]
shared vec4 x_tile[STEP * LANES];  // [column][rows of a lane]

// Quads and rows beyond the last compute the last once more, and are not written.
uint quad_at(uint i) { return min(gl_WorkGroupID.x * QUADS + i, (out_rows + 7) / 8 * 2 - 1); }
uint row_at(uint i) { return min(gl_WorkGroupID.y * ROWS * LANES + i, x_rows - 1); }

// Invocations that follow each other read a panel, and rows of x, as these lie in memory.
void fill_tiles(uint first) {
  const uint t = gl_LocalInvocationIndex;
  for (uint i = t; i < STEP * QUADS; i += INVOCATIONS) {
    const uint column = i / 2 % STEP, of = i / (2 * STEP) * 2 + i % 2;
    const uint quad = quad_at(of);
    w_tile[column * QUADS + of] =
        values_at(panel_of(quad, blocks), min(first + column, blocks - 1), quad % 2);
  }
  for (uint i = t; i < STEP * LANES; i += INVOCATIONS) {
    const uint column = i % STEP, lane = i / STEP;
    vec4 of_x;
    [[unroll]] for (uint r = 0; r < ROWS; ++r) {
      of_x[r] = x[row_at(lane * ROWS + r) * blocks + min(first + column, blocks - 1)];
    }
    x_tile[column * LANES + lane] = of_x;
  }
}

void main() {
  const uint pair = gl_LocalInvocationID.x, lane = gl_LocalInvocationID.y;
  precise vec4 totals[2 * ROWS];
  [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) totals[i] = vec4(0);
  for (uint part = 0; part < PARTS; ++part) {
    precise vec4 part_totals[2 * ROWS];
    [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) part_totals[i] = vec4(0);
    const uint end = (part + 1) * blocks / PARTS;
    for (uint first = part * blocks / PARTS; first < end; first += STEP) {
      barrier();  // what was there has been used
      fill_tiles(first);
      barrier();
      const uint count = min(STEP, end - first);
      for (uint column = 0; column < count; ++column) {
        const vec4 of_x = x_tile[column * LANES + lane];
        [[unroll]] for (uint q = 0; q < 2; ++q) {
          const vec4 values = w_tile[column * QUADS + q * PAIRS + pair];
          [[unroll]] for (uint r = 0; r < ROWS; ++r) {
            part_totals[q * ROWS + r] = fma(values, vec4(of_x[r]), part_totals[q * ROWS + r]);
          }
        }
      }
    }
    [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) totals[i] += part_totals[i];
  }
  [[unroll]] for (uint i = 0; i < 2 * ROWS; ++i) {
    const uint row = (gl_WorkGroupID.y * LANES + lane) * ROWS + i % ROWS;
    const uint quad = gl_WorkGroupID.x * QUADS + i / ROWS * PAIRS + pair;
    [[unroll]] for (uint e = 0; e < QUAD_ROWS; ++e) {
      if (row < x_rows && QUAD_ROWS * quad + e < out_rows) {
        y[row * y_stride + first_out + QUAD_ROWS * quad + e] = totals[i][e];
      }
    }
  }
}

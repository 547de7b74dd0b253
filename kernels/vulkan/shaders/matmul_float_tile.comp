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

const uint ROWS = 4;   // of x, for each invocation

#include "weights.glsl"
#include "tile.glsl"

const uint STEP = 32;  // columns in the tiles: with them, 16 KiB at most, which all devices share
const uint INVOCATIONS = PAIRS * LANES;

shared vec4 w_tile[STEP * QUADS];  // [column][quad]
shared vec4 x_tile[STEP * LANES];  // [column][rows of a lane]

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
  if (!begin_tile()) return;
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
    write(lane * ROWS + i % ROWS, i / ROWS * PAIRS + pair, totals[i]);
  }
}

// Which rows a workgroup of matmul_tile.comp or matmul_float_tile.comp multiplies: those of a tile
// of the product or, with EXPERTS, an expert's rows with up to 4 * LANES of the rows that chose it,
// as group_experts.comp has listed them. Rows and quads beyond the last compute the last once more,
// and are not written.
// The file that includes this declares PAIRS, LANES, QUAD_ROWS and ROWS before.

const uint QUADS = 2 * PAIRS;

#ifdef EXPERTS

layout(binding = 2) restrict readonly buffer Groups { uint list[]; };
layout(binding = 3) restrict writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint first;   // row of this buffer among the weights'
  uint rows;    // of this buffer
  uint n;       // rows of an expert
  uint blocks;  // in a row
  uint used;
  uint spread;  // 0: a row of x for each row, 1: for each choice
  uint order;   // where the choices are in the list, by expert
};

shared uint chosen[ROWS * LANES];

uint expert() { return list[1 + 3 * gl_WorkGroupID.y]; }
uint chosen_count() { return list[3 + 3 * gl_WorkGroupID.y] - list[2 + 3 * gl_WorkGroupID.y]; }
// Of the expert's quads, in this buffer; negative or too large in another.
int expert_quad(uint i) {
  return int((expert() * n) / QUAD_ROWS + gl_WorkGroupID.x * QUADS + i) - int(first / QUAD_ROWS);
}
int last_quad() { return int((rows + 7) / 8 * 2) - 1; }

bool begin_tile() {
  if (gl_WorkGroupID.y >= list[0]) return false;
  if (expert_quad(0) > last_quad() || expert_quad(QUADS - 1) < 0) return false;
  const uint last = chosen_count() - 1;
  for (uint i = gl_LocalInvocationIndex; i < ROWS * LANES; i += PAIRS * LANES) {
    chosen[i] = list[order + list[2 + 3 * gl_WorkGroupID.y] + min(i, last)];
  }
  barrier();
  return true;
}
uint quad_at(uint i) { return uint(clamp(expert_quad(i), 0, last_quad())); }
uint row_at(uint i) { return spread != 0 ? chosen[i] : chosen[i] / used; }
void write(uint row, uint quad, vec4 values) {
  const uint out_row = QUAD_ROWS * (gl_WorkGroupID.x * QUADS + quad);
  const int at = expert_quad(quad);
  if (row >= chosen_count() || out_row >= n || at < 0 || at > last_quad()) return;
  for (uint e = 0; e < QUAD_ROWS; ++e) y[chosen[row] * n + out_row + e] = values[e];
}

#else

layout(binding = 2) restrict writeonly buffer Products { float y[]; };
layout(push_constant) uniform Push {
  uint out_rows;   // of this buffer of weights
  uint first_out;  // its first row among those of the matrix
  uint blocks;     // in a row
  uint x_rows;
  uint y_stride;   // rows of the matrix
};

bool begin_tile() { return true; }
uint quad_at(uint i) { return min(gl_WorkGroupID.x * QUADS + i, (out_rows + 7) / 8 * 2 - 1); }
uint row_at(uint i) { return min(gl_WorkGroupID.y * ROWS * LANES + i, x_rows - 1); }
void write(uint row, uint quad, vec4 values) {
  const uint x_row = gl_WorkGroupID.y * ROWS * LANES + row;
  const uint out_row = QUAD_ROWS * (gl_WorkGroupID.x * QUADS + quad);
  [[unroll]] for (uint e = 0; e < QUAD_ROWS; ++e) {
    if (x_row < x_rows && out_row + e < out_rows) {
      y[x_row * y_stride + first_out + out_row + e] = values[e];
    }
  }
}

#endif

// The matrices of matmul_matrix.comp, whose tiles and constants these are: a matrix of M rows of
// weights, one of N rows of x, both of K columns, and one of their M by N sums.
//
// With PLAIN_MATRICES the same in instructions that every device has, for the tests: of any shape,
// for subgroups of any size, on any device. Each invocation has some of the sums.

#ifdef PLAIN_MATRICES

struct OfWeights {
  uint at;
};
struct OfX {
  uint at;
};
const uint EACH = M * N / SUBGROUP;
struct Sums {
  int each[EACH];
};

uint subgroup_id() { return gl_LocalInvocationIndex / SUBGROUP; }
uint subgroup_lane() { return gl_LocalInvocationIndex % SUBGROUP; }
void subgroup_barrier() { barrier(); }

uvec2 element(uint i) {
  const uint number = subgroup_lane() + i * SUBGROUP;
  return uvec2(number % M, number / M);
}
void load_weights(out OfWeights matrix, uint at) { matrix.at = at; }
void load_x(out OfX matrix, uint at) { matrix.at = at; }
void clear(out Sums sums) {
  for (uint i = 0; i < EACH; ++i) sums.each[i] = 0;
}
void multiply_add(OfWeights weights, OfX of_x, inout Sums sums) {
  for (uint i = 0; i < EACH; ++i) {
    const uvec2 mn = element(i);
    for (uint word = 0; word < K / 4; ++word) {
      sums.each[i] += dot4(w_tile[weights.at + mn.x * STRIDE + word],
                           x_tile[of_x.at + mn.y * STRIDE + word]);
    }
  }
}
void add_high(inout Sums sums, Sums high) {
  for (uint i = 0; i < EACH; ++i) sums.each[i] += 128 * high.each[i];
}
void store(Sums sums, uint at) {
  for (uint i = 0; i < EACH; ++i) {
    const uvec2 mn = element(i);
    integers[at + mn.y * ROUND_STRIDE + mn.x / 4][mn.x % 4] = sums.each[i];
  }
}

#else

#define OfWeights coopmat<int8_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA>
#define OfX coopmat<int8_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB>
#define Sums coopmat<int, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>

uint subgroup_id() { return gl_SubgroupID; }
uint subgroup_lane() { return gl_SubgroupInvocationID; }
void subgroup_barrier() { subgroupBarrier(); }

#define load_weights(matrix, at) \
  coopMatLoad(matrix, w_tile, at, STRIDE, gl_CooperativeMatrixLayoutRowMajor)
#define load_x(matrix, at) \
  coopMatLoad(matrix, x_tile, at, STRIDE, gl_CooperativeMatrixLayoutColumnMajor)
#define clear(sums) sums = Sums(0)
#define multiply_add(weights, of_x, sums) sums = coopMatMulAdd(weights, of_x, sums)
#define add_high(sums, high) sums += (high) * 128
#define store(sums, at) \
  coopMatStore(sums, integers, at, ROUND_STRIDE, gl_CooperativeMatrixLayoutColumnMajor)

#endif

// How fast the device multiplies and adds matrices that are in registers: of halves, summed in
// floats, or with BYTES of bytes, summed in integers. Each subgroup has CHAINS sums that depend on
// nothing but themselves.
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require

#ifdef BYTES
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#define FACTOR int8_t
#define SUM int
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define FACTOR float16_t
#define SUM float
#endif

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint INVOCATIONS = 128;
layout(constant_id = 1) const uint SUBGROUPS = 4;
layout(constant_id = 2) const uint M = 16;
layout(constant_id = 3) const uint N = 16;
layout(constant_id = 4) const uint K = 16;
layout(constant_id = 5) const uint CHAINS = 8;

layout(binding = 0) restrict readonly buffer Factors { uint factors[]; };  // 32 rows of 16 words
layout(binding = 1) restrict writeonly buffer Sums { SUM kept[]; };
layout(push_constant) uniform Push {
  uint rounds;
};

void main() {
  coopmat<FACTOR, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a;
  coopmat<FACTOR, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b;
  coopMatLoad(a, factors, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad(b, factors, 0, 16, gl_CooperativeMatrixLayoutColumnMajor);
  coopmat<SUM, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator> sums[CHAINS];
  [[unroll]] for (uint i = 0; i < CHAINS; ++i) {
    sums[i] = coopmat<SUM, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>(SUM(i));
  }
  for (uint round = 0; round < rounds; ++round) {
    [[unroll]] for (uint i = 0; i < CHAINS; ++i) sums[i] = coopMatMulAdd(a, b, sums[i]);
  }
  [[unroll]] for (uint i = 1; i < CHAINS; ++i) sums[0] += sums[i];
  coopMatStore(sums[0], kept, (gl_WorkGroupID.x * SUBGROUPS + gl_SubgroupID) * M * N, N,
               gl_CooperativeMatrixLayoutRowMajor);
}

// The loops over vectors of 8 floats (simd_float8.h), by file: AVX2's on x86-64, NEON's on aarch64.
// See kernel_table.h for what these files may include.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace weft::kernels::float8 {

// kernels_float8.cc: a table of everything but the products of quantized weights, which are null as
// its name is.
KernelTable float_loops();

// matmul_float8.cc
void matmul_f32(const MatmulTile& tile, uint32_t x_rows);
void matmul_f16(const MatmulTile& tile, uint32_t x_rows);
void matmul_bf16(const MatmulTile& tile, uint32_t x_rows);

// attention_float8.cc
void append_f32(const KvAppend& append);
void append_f16(const KvAppend& append);
void expand_q8_0(const uint8_t* page, uint32_t head_dim, uint32_t value_stride, float* expanded);
void attend_f32(const AttentionTask& task);
void attend_f16(const AttentionTask& task);

}  // namespace weft::kernels::float8

// The loops that the three NEON tables share, by file. See kernel_table.h for what these files may
// include. The tables differ only in how they multiply bytes (int8_neon.h); those sums are exact
// integers, so the tables give the same bits.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace weft::kernels::neon {

// kernels_neon.cc: a table of everything but the products of quantized weights, which are null.
KernelTable float_loops();

// matmul_float_neon.cc
void matmul_f32(const MatmulTile& tile, uint32_t x_rows);
void matmul_f16(const MatmulTile& tile, uint32_t x_rows);
void matmul_bf16(const MatmulTile& tile, uint32_t x_rows);

// attention_neon.cc
void append_f32(const KvAppend& append);
void append_f16(const KvAppend& append);
void expand_q8_0(const uint8_t* page, uint32_t head_dim, uint32_t value_stride, float* expanded);
void attend_f32(const AttentionTask& task);
void attend_f16(const AttentionTask& task);

}  // namespace weft::kernels::neon

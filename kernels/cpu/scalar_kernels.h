// The loops of scalar_kernels(), by file.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace weft::kernels::scalar {

// matmul_scalar.cc
void matmul_f32(const MatmulTile& tile, uint32_t x_rows);
void matmul_f16(const MatmulTile& tile, uint32_t x_rows);
void matmul_bf16(const MatmulTile& tile, uint32_t x_rows);
void matmul_q8_0(const MatmulTile& tile, uint32_t x_rows);
void matmul_q4_0(const MatmulTile& tile, uint32_t x_rows);
void matmul_q4_1(const MatmulTile& tile, uint32_t x_rows);
void matmul_q5_0(const MatmulTile& tile, uint32_t x_rows);
void matmul_q5_1(const MatmulTile& tile, uint32_t x_rows);
void matmul_q4_k(const MatmulTile& tile, uint32_t x_rows);
void matmul_q5_k(const MatmulTile& tile, uint32_t x_rows);
void matmul_q6_k(const MatmulTile& tile, uint32_t x_rows);
void matmul_iq4_nl(const MatmulTile& tile, uint32_t x_rows);
void matmul_mxfp4(const MatmulTile& tile, uint32_t x_rows);
void matmul_iq4_xs(const MatmulTile& tile, uint32_t x_rows);

// attention_scalar.cc
void append_f32(const KvAppend& append);
void append_f16(const KvAppend& append);
void append_q8_0(const KvAppend& append);
void expand_q8_0(const uint8_t* page, uint32_t head_dim, uint32_t value_stride, float* expanded);
void attend_f32(const AttentionTask& task);
void attend_f16(const AttentionTask& task);

}  // namespace weft::kernels::scalar

// The loops of avx2_kernels() that have no counterpart in NEON, by file; float8_kernels.h has the
// others. See kernel_table.h for what these files may include.
#pragma once

#include "kernels/cpu/kernel_table.h"

namespace weft::kernels::avx2 {

// matmul_block32_avx2.cc
void matmul_q8_0(const MatmulTile& tile, uint32_t x_rows);
void matmul_q4_0(const MatmulTile& tile, uint32_t x_rows);

// matmul_block256_avx2.cc
void matmul_q4_k(const MatmulTile& tile, uint32_t x_rows);
void matmul_q5_k(const MatmulTile& tile, uint32_t x_rows);
void matmul_q6_k(const MatmulTile& tile, uint32_t x_rows);

}  // namespace weft::kernels::avx2

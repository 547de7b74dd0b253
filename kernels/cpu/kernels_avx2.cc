// The AVX2 table.
#include "kernels/cpu/kernel_table.h"

#if defined(__x86_64__)

#include "kernels/cpu/avx2_kernels.h"
#include "kernels/cpu/float8_kernels.h"

namespace weft::kernels {

const KernelTable* avx2_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = float8::float_loops();
    table.name = "avx2";
    table.matmul_q8_0 = avx2::matmul_q8_0;
    table.matmul_q4_0 = avx2::matmul_q4_0;
    table.matmul_q4_k = avx2::matmul_q4_k;
    table.matmul_q5_k = avx2::matmul_q5_k;
    table.matmul_q6_k = avx2::matmul_q6_k;
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#else

namespace weft::kernels {

const KernelTable* avx2_kernels() {
  return nullptr;
}

}  // namespace weft::kernels

#endif  // defined(__x86_64__)

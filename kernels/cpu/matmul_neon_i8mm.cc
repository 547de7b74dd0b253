// The table for processors with products of byte matrices (FEAT_I8MM: most since Armv8.6).
#if defined(__aarch64__)

#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/matmul_table_neon.h"

namespace weft::kernels {

const KernelTable* neon_i8mm_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = float8::float_loops();
    table.name = "neon-i8mm";
    set_products<DotProducts, MatrixProducts>(table);
    set_table_products<DotProducts, MatrixProducts>(table);
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#endif  // defined(__aarch64__)

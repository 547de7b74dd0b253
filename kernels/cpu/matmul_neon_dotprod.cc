// The table for processors with dot products of bytes (FEAT_DotProd: most since Armv8.2).
#if defined(__aarch64__)

#include "kernels/cpu/float8_kernels.h"
#include "kernels/cpu/matmul_table_neon.h"

namespace weft::kernels {

const KernelTable* neon_dotprod_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = float8::float_loops();
    table.name = "neon-dotprod";
    set_products<DotProducts, DotProducts>(table);
    set_table_products<DotProducts, DotProducts>(table);
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#endif  // defined(__aarch64__)

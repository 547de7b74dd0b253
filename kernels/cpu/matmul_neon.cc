// The table for any aarch64 processor.
#if defined(__aarch64__)

#include "kernels/cpu/matmul_table_neon.h"
#include "kernels/cpu/float8_kernels.h"

namespace weft::kernels {

const KernelTable* neon_kernels() {
  static const KernelTable kTable = [] {
    KernelTable table = float8::float_loops();
    table.name = "neon";
    set_products<PlainBytes, PlainBytes>(table);
    set_table_products<PlainBytes, PlainBytes>(table);
    return table;
  }();
  return &kTable;
}

}  // namespace weft::kernels

#endif  // defined(__aarch64__)

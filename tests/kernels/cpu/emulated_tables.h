// The AVX-512 and VNNI tables compiled a second time over SIMDe, an implementation of the
// intrinsics in portable code (kernels/cpu/intrinsics.h). What they do not emulate is AVX2, so a
// processor needs that to run them.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/cpu/choose_table.h"

namespace weft::kernels {

#if defined(WEFT_EMULATED_TABLES)
// The names are given on the compiler's command line: tests/CMakeLists.txt.
const KernelTable* emulated_avxvnni_kernels();
const KernelTable* emulated_avx512_kernels();
const KernelTable* emulated_avx512vnni_kernels();
#endif

// Empty where SIMDe was not found when the tests were configured, and without AVX2.
inline std::vector<const KernelTable*> emulated_tables() {
#if defined(WEFT_EMULATED_TABLES)
  for (const KernelTable* table : usable_tables()) {
    if (std::string_view(table->name) != "avx2") continue;
    return {emulated_avxvnni_kernels(), emulated_avx512_kernels(), emulated_avx512vnni_kernels()};
  }
#endif
  return {};
}

}  // namespace weft::kernels

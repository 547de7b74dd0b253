#include "kernels/cpu/choose_table.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/log.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace weft::kernels {
namespace {

// A table's function may be called only where its instruction set is there: the files of a set are
// compiled for it as a whole.
using TableFunction = const KernelTable* (*)();

void add_table(std::vector<const KernelTable*>& tables, bool usable, TableFunction function) {
  const KernelTable* table = usable ? function() : nullptr;
  if (table != nullptr) tables.push_back(table);
}

#if defined(__x86_64__)

// __builtin_cpu_supports also asks whether the operating system saves the wide registers.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

// Not every compiler's builtin knows this one. CPUID leaf 7, sub-leaf 1, bit 4 of EAX (Intel's
// software developer's manual, volume 2A); its registers are those of AVX2.
bool has_avxvnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 &&
         (eax & (1u << 4)) != 0;
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512vnni() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

#endif

}  // namespace

std::vector<const KernelTable*> usable_tables() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  add_table(tables, has_avx512vnni(), avx512vnni_kernels);
  add_table(tables, has_avxvnni(), avxvnni_kernels);
  add_table(tables, has_avx512(), avx512_kernels);
  add_table(tables, has_avx2(), avx2_kernels);
#endif
  add_table(tables, true, [] { return &scalar_kernels(); });
  return tables;
}

const KernelTable& choose_table(bool force_scalar) {
  if (force_scalar) return scalar_kernels();
  const std::vector<const KernelTable*> tables = usable_tables();
  const char* named = std::getenv("WEFT_CPU");
  if (named == nullptr || *named == '\0') return *tables.front();
  std::string names;
  for (const KernelTable* table : tables) {
    if (std::string_view(named) == table->name) return *table;
    names += cat(names.empty() ? "" : " ", table->name);
  }
  log_warn("cpu.no_such_table", {{"WEFT_CPU", printable(named)}, {"usable", names}});
  return *tables.front();
}

}  // namespace weft::kernels

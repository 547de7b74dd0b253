#include "kernels/cpu/choose_table.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/log.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
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

// Bit `bit` of a register of CPUID (Intel's software developer's manual, volume 2A), for what not
// every compiler's __builtin_cpu_supports knows. That also asks whether the operating system saves
// the wide registers; the two sets asked for here use those of AVX2.
enum class Register { kEax, kEbx, kEcx, kEdx };
bool cpuid_bit(unsigned leaf, unsigned sub_leaf, Register which, int bit) {
  unsigned values[4] = {};
  return __get_cpuid_count(leaf, sub_leaf, &values[0], &values[1], &values[2], &values[3]) != 0 &&
         ((values[int(which)] >> bit) & 1) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         cpuid_bit(1, 0, Register::kEcx, 29);  // F16C
}

bool has_avxvnni() {
  return has_avx2() && cpuid_bit(7, 1, Register::kEax, 4);
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512vnni() {
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
}

#elif defined(__aarch64__)

// What the system says that all of its cores have (Linux, Documentation/arm64/elf_hwcaps).
bool has_dot_products() {
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}

bool has_byte_matrices() {
  return has_dot_products() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
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
#elif defined(__aarch64__)
  add_table(tables, has_byte_matrices(), neon_i8mm_kernels);
  add_table(tables, has_dot_products(), neon_dotprod_kernels);
  add_table(tables, true, neon_kernels);
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

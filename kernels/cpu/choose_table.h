// Which instruction sets this build has, which of them the processor has, and which is taken.
#pragma once

#include <vector>

#include "kernels/cpu/kernel_table.h"

namespace weft::kernels {

// Every table that this processor and its operating system can run, best first; the last is the
// scalar one, which all can run. Asks the processor, at any time and from any thread.
std::vector<const KernelTable*> usable_tables();

// The best table, or the scalar one. The environment's WEFT_CPU may name a lesser one of
// usable_tables() instead ("avx2", say), to find out whether an instruction set is at fault; a name
// that is none of them is said in the log and otherwise ignored.
const KernelTable& choose_table(bool force_scalar);

}  // namespace weft::kernels

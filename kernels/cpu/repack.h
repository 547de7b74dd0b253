// Types that the cpu's panels have no layout for are turned into one that they have, as a tensor is
// loaded: to the same values where its codes and scales can hold them, else to 8 bits, rounded to
// nearest within each 32 values. Whatever reads panels (panel.h) need not know of the other types.
//
//   kept as            types
//   as they are        F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, IQ4_NL,
//                      IQ4_XS, MXFP4
//   Q6_K, same values  Q3_K, IQ3_S
//   Q4_0, same values  TQ1_0, TQ2_0
//   Q8_0, rounded      Q2_K, IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS
#pragma once

#include <span>

#include "kernels/backend.h"
#include "model/gguf.h"
#include "model/tensor_type.h"

namespace weft::kernels {

struct KeptAs {
  model::TensorType type;
  bool exact;  // the same values, to the last bit
};
KeptAs kept_as(model::TensorType type);

// Memory that a tensor takes on backends with panels, for a use; but for the padding of its last
// panel. Look-ups keep the file's blocks, unless they would differ from what products see.
uint64_t kept_bytes(const model::GgufTensor& tensor, WeightUse use);

// Blocks of a type as blocks of kept_as(type).type. `out` has the bytes of as many values
// (asserted). Values that are no numbers, or infinite, stay seen: a run of 32 with one becomes no
// numbers.
void repack(model::TensorType type, ByteView blocks, std::span<uint8_t> out);

// pack_panel (panel.h) of rows in the file's type: a panel of kept_as(type).type.
void repack_panel(model::TensorType type, const uint8_t* rows, uint64_t row_bytes,
                  uint32_t row_count, uint32_t cols, uint8_t* panel);

}  // namespace weft::kernels

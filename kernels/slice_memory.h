// What a slice will take, before anything is loaded: for the planner, `weft info`, and Slice
// itself.
#pragma once

#include <string_view>

#include "kernels/slice.h"

namespace weft::kernels {

// Most KV tokens of one slice, over all sessions.
inline constexpr uint32_t kKvTokensMax = 1u << 30;
// Most bytes of one slice's KV cache; beyond any machine, it keeps sizes from wrapping.
inline constexpr uint64_t kKvBytesMax = uint64_t{1} << 48;
// The head computes this many rows at a time: a large vocabulary's logits are 0.5 MiB a row.
inline constexpr uint32_t kLogitsRowsMax = 32;

// The sizes that follow from a model and the options.
struct SliceShape {
  KvShape kv;
  uint32_t rows = 0;            // of scratch: most rows computed at once
  uint32_t logits_rows = 0;     // of the head's scratch; 0 if the slice has no head
  uint32_t position_count = 0;  // positions a session can reach: context or KV cache, the smaller
};

// kInvalid: layers that are not there, no KV tokens, no rows. kExhausted: a KV cache over
// kKvBytesMax.
Result<SliceShape> slice_shape(const model::ModelConfig& config, const SliceOptions& options);

// Scratch and rotary table of a shape; the same on every backend.
uint64_t scratch_bytes(const model::ModelConfig& config, const SliceShape& shape);

// Memory of a slice on the backend of that name. Weights are exact for "reference"; for others
// they are what kernels/cpu/repack.h says, without the padding of matrices to whole panels.
Result<SliceMemory> estimate_slice_memory(const model::Model& model, const SliceOptions& options,
                                          std::string_view backend);

}  // namespace weft::kernels

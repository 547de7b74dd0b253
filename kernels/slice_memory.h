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

// Most rows of one part of a batch where a layer has a window: they stand beside it.
inline constexpr uint32_t kWindowRowsMax = 512;

// The sizes that follow from a model and the options.
struct SliceShape {
  KvShape kv;                   // of the layers that attend to all positions; its pages count
                                // tokens even where there is no such layer
  KvShape window_kv;            // of those that have a window
  uint32_t window_pages = 0;    // of one session's window, rows of a part included; 0: none
  uint32_t rows = 0;            // of scratch: most rows computed at once
  uint32_t logits_rows = 0;     // of the head's scratch; 0 if the slice has no head
  uint32_t position_count = 0;  // positions a session can reach: context or KV cache, the smaller
  uint64_t low_floats = 0;      // of AdapterScratch; 0: no adapters
  uint64_t delta_floats = 0;

  uint64_t kv_bytes() const { return kv.bytes() + window_kv.bytes(); }
};

// kInvalid: layers that are not there, no KV tokens, no rows. kUnsupported: experts whose matrices
// are not of whole panels. kExhausted: a KV cache over
// kKvBytesMax.
Result<SliceShape> slice_shape(const model::ModelConfig& config, const SliceOptions& options);

// Whether a slice has layers of both kinds, which rotate by tables of their own.
bool needs_window_rope(const model::ModelConfig& config, const SliceShape& shape);

// Tokens for which a layer that has a window takes memory, for a cache of `kv_tokens`.
uint32_t window_kv_tokens(uint32_t window, uint32_t streams, uint32_t kv_tokens);

// Of that, of the rotary tables for each position (of a slice with layers of every kind), and of a
// head that computes kLogitsRowsMax rows.
uint64_t rope_bytes(const model::ModelConfig& config);
uint64_t head_scratch_bytes(const model::ModelConfig& config);
// Scratch and rotary tables of a shape; the same on every backend.
uint64_t scratch_bytes(const model::ModelConfig& config, const SliceShape& shape);

// Memory of a slice on the backend of that name. Weights are exact for "reference"; for others
// they are what kernels/cpu/repack.h says, without the padding of matrices to whole panels.
Result<SliceMemory> estimate_slice_memory(const model::Model& model, const SliceOptions& options,
                                          std::string_view backend);

}  // namespace weft::kernels

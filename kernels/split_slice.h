// A slice whose layers are too many for a device's own memory: its last ones are on the device, the
// first ones on the processor beside it. Both are parts of one slice, cut as slices of two nodes
// are, so what holds for any cut holds for this one.
#pragma once

#include "kernels/slice.h"

namespace weft::kernels {

// Where a slice may lie.
struct SlicePlaces {
  Backend& device;
  uint64_t device_bytes = UINT64_MAX;  // that the slice may take of its memory
  Backend* processor = nullptr;        // for what is too much; null: nothing may be
};

struct PlacedSlice {
  std::unique_ptr<Slice> slice;
  uint32_t device_from = 0;   // layers from this one on are on the device
  uint64_t device_bytes = 0;  // that they take there
};

// The first of the slice's layers that lie on the device: as many of the last ones as fit it by
// estimate_slice_memory; last_layer if none does, first_layer without a processor.
Result<uint32_t> device_layers_from(const SlicePlaces& places, const model::Model& model,
                                    const SliceOptions& options);

// Slice::load, over both.
Result<PlacedSlice> load_placed_slice(const SlicePlaces& places, const model::Model& model,
                                      const SliceOptions& options,
                                      const std::function<bool(uint64_t, uint64_t)>& progress = {});

}  // namespace weft::kernels

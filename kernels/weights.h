// Takes a slice's tensors from the file into a backend.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernels/block.h"

namespace weft::kernels {

// (done_bytes, total_bytes) of the file's tensors; false cancels. May be empty.
using LoadProgress = std::function<bool(uint64_t, uint64_t)>;

struct SliceWeights {
  std::unique_ptr<Weight> embedding;    // if the slice holds layer 0
  std::vector<BlockWeights> blocks;     // one per layer of the slice
  std::unique_ptr<Weight> output_norm;  // if the slice holds the last layer
  std::unique_ptr<Weight> output;       // the same; null if `embedding` serves as it (tied)
  std::vector<LowRank> output_adapters;  // of `output`

  // The head's matrix; only for a slice that holds the last layer.
  const Weight& head() const { return output ? *output : *embedding; }
  uint64_t bytes() const;
};

// One tensor that a slice reads, and what for. A vector is a matrix of one row.
struct SliceTensor {
  const model::GgufTensor* tensor;
  WeightUse use;
  std::unique_ptr<Weight>* place;
};

// The tensors of layers [first_layer, last_layer), embedding, norm and head included where the
// slice has them, each with its place in `weights`, whose blocks are made here.
std::vector<SliceTensor> list_slice_tensors(const model::Model& model, uint32_t first_layer,
                                            uint32_t last_layer, SliceWeights& weights);

// Of a layer's weights, what one token leaves alone: the experts that it does not go to.
struct IdleWeights {
  uint64_t bytes = 0;       // in memory
  uint64_t parameters = 0;
};
IdleWeights idle_weights(const model::Model& model, uint32_t layer);

// The weight in the place of a layer's tensor.
const Weight* weight_of(const BlockWeights& block,
                        const model::GgufTensor* model::LayerTensors::*tensor);

// A tensor of a file that will be alive as long as the view. kUnsupported, kCorrupt: it is no
// matrix.
Result<TensorView> view_tensor(const model::GgufFile& file, const model::GgufTensor& tensor);

// kCorrupt if the file's data does not fit its table, or went missing while it was read (a file
// truncated under us reads as zeros: computing with those would be silent nonsense); kCancelled if
// `progress` says so; whatever the backend answers otherwise.
Result<SliceWeights> load_slice_weights(Backend& backend, const model::Model& model,
                                        uint32_t first_layer, uint32_t last_layer,
                                        const LoadProgress& progress);

}  // namespace weft::kernels

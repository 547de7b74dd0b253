// Low-rank adapters on a backend: products with the pairs of model/adapter.h beside those with the
// model's own weights, which stay as they are. So a quantized weight loses nothing, and since only
// a backend's products and additions are used, a row's bits depend on no batch, chunk or cut.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/backend.h"
#include "model/adapter.h"

namespace weft::kernels {

// A pair: what is multiplied with `to` gives B (A x) more. B has the factor in it.
struct LowRank {
  struct Part {
    const Weight* to;
    std::unique_ptr<Weight> b;  // [rows of `to`, rank]
  };
  std::unique_ptr<Weight> a;  // [rank, cols]
  std::vector<Part> parts;    // several: of one input and, in the file, of one tensor

  uint64_t bytes() const;
};

// What is between A and B, and what is added; null where no pair needs them.
struct AdapterScratch {
  std::unique_ptr<Buffer> low;    // [rows, rank]
  std::unique_ptr<Buffer> delta;  // [rows, B's rows]
};

// backend.matmul, and what the adapters of its targets add.
void multiply(Backend& backend, std::span<const LowRank> adapters,
              std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows,
              AdapterScratch& scratch);

// A pair that a slice of layers [first_layer, last_layer) applies. One with a factor of zero adds
// nothing and is none.
struct SlicePair {
  const model::AdapterFile* from;
  const model::AdapterPair* pair;
  uint32_t block;  // index within the slice; the layers' count: the output
};
std::vector<SlicePair> list_slice_pairs(const model::Adapters& adapters, uint32_t first_layer,
                                        uint32_t last_layer);

// Memory of pairs, as estimate_slice_memory has it.
uint64_t adapter_bytes(std::span<const SlicePair> pairs, std::string_view backend);

struct SliceWeights;
// Takes the slice's pairs into `weights`, whose own weights are loaded. Errors as
// load_slice_weights.
Result<> load_slice_adapters(Backend& backend, std::span<const SlicePair> pairs,
                             SliceWeights& weights);

}  // namespace weft::kernels

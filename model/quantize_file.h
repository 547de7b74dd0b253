// A GGUF file to a quantized one, tensor by tensor in pieces: what it takes in memory does not
// depend on the file's size.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "model/quantize_recipe.h"

namespace weft::model {

// Calls body(piece) for every piece in [0, pieces), on any threads, and returns when all have.
using RunPieces =
    std::function<void(uint32_t pieces, const std::function<void(uint32_t piece)>& body)>;

struct QuantizeFileOptions {
  std::string input;
  std::string output;
  const QuantizeRecipe* recipe = nullptr;
  uint32_t pieces = 1;  // worked on at once: a few per thread
  RunPieces run;
  // Bytes of tensors read so far and in all; false cancels. On the calling thread.
  std::function<bool(uint64_t done_bytes, uint64_t total_bytes)> progress;
};

struct QuantizedTypes {
  uint32_t tensors = 0;
  uint64_t bytes = 0;
};

struct QuantizeSummary {
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t elements = 0;  // of all tensors
  std::map<TensorType, QuantizedTypes> types;
  // Of the matrices that were quantized: the square root of the rounding error's squares over the
  // weights' own. The same for any number of threads.
  double relative_error = 0;

  double bits_per_weight() const {
    return elements > 0 ? double(output_bytes) * 8 / double(elements) : 0;
  }
};

// Writes `output`.part and gives it its name at the end; on any error nothing is left there, and an
// `output` that was there stands. Metadata is copied but for general.file_type,
// general.quantization_version and general.alignment.
// As recipe_types; kCorrupt if a tensor has values that are no finite numbers, or the input became
// shorter meanwhile; kCancelled; kExhausted if the disk is too full; kIo.
Result<QuantizeSummary> quantize_file(const QuantizeFileOptions& options);

}  // namespace weft::model

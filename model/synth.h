// Synthetic models: published shapes with random weights of plausible size, for benchmarks and
// tests. Large tensors are drawn from a pool of properly quantized Gaussian blocks, so that a file
// is written about as fast as the disk takes it. The same options give the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"

namespace weft::model {

struct SynthOptions {
  std::string path = {};
  std::string architecture = {};                  // empty: the shape's, or llama
  std::string shape = "tiny";                     // see synth_shapes()
  std::string quant = "q4_k_m";                   // see synth_quants()
  std::optional<uint32_t> layers = std::nullopt;  // instead of the shape's
  uint64_t seed = 1;
};

// "nano, tiny, ..." and "f32, f16, ...", for help texts.
std::string synth_shapes();
std::string synth_quants();
std::string synth_architectures();

// Bytes of tensor data written so far and in all; called from the writing thread now and then.
using SynthProgress = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;

// Writes the model. Rows that are no whole number of a quantization's blocks are Q8_0 or F16.
// kInvalid names what is unknown and lists what exists; kExhausted if the disk is too full; kIo.
// Nothing is left at `path` on an error.
Result<> write_synthetic(const SynthOptions& options, const SynthProgress& progress = {});

}  // namespace weft::model

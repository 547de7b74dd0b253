// A low-rank adapter (LoRA) in a GGUF file: for some of a model's matrices W a pair of thin ones, A
// and B, with which W x becomes W x + scale alpha / rank B (A x).
// Source: Hu et al. 2021, arXiv:2106.09685; metadata and names as llama.cpp's convert_lora_to_gguf
// writes them: `adapter.lora.alpha`, `<tensor>.lora_a` and `<tensor>.lora_b`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/model.h"

namespace weft::model {

// No published adapter comes near: a pair of this rank is as large as the matrix itself.
inline constexpr uint64_t kAdapterRankMax = 4096;

// `FILE` or `FILE:SCALE`, as the command line has it. What follows the last colon is the scale if
// it is a number, else a part of the file's name.
struct AdapterChoice {
  std::string path;
  float scale = 1;
};
// kInvalid: no file, or a scale that is infinite or no number.
Result<AdapterChoice> parse_adapter_choice(std::string_view text);

// A file that says of itself that it is an adapter; no model has been asked yet.
struct AdapterFile {
  GgufFile file;
  float scale;
  double alpha;
};
// kUnsupported: something other than a LoRA, or one that applies only after certain tokens; else as
// GgufFile::open and its metadata. Every message begins with the path.
Result<std::shared_ptr<const AdapterFile>> open_adapter(const AdapterChoice& choice);

// The pair of one tensor of a model's file.
struct AdapterPair {
  // So many of B's rows, in their order, belong to this matrix of the layer: one, or those that the
  // model's file has fused.
  struct Part {
    const GgufTensor* LayerTensors::*member;
    uint32_t rows;
  };
  const GgufTensor* a;  // [rank, cols], of the adapter's file
  const GgufTensor* b;  // [rows, rank]
  float factor;         // of B: scale alpha / rank
  std::vector<Part> parts = {};  // none: the output

  uint32_t rank() const { return uint32_t(a->dims[1]); }
  uint32_t rows() const { return uint32_t(b->dims[1]); }
};

// An adapter that fits a model.
struct Adapter {
  std::shared_ptr<const AdapterFile> from;       // its tensors' owner
  std::vector<std::vector<AdapterPair>> layers;  // of each of the model's layers
  std::optional<AdapterPair> output;

  size_t pair_count() const;
};
using Adapters = std::vector<std::shared_ptr<const Adapter>>;

// kInvalid: it is for another architecture, or a pair does not fit the tensor that it names, or
// names none; kUnsupported: a pair for a tensor that weft adapts none of (experts, vectors, the
// token embedding). The message has the adapter's path, the tensor and both shapes.
Result<std::shared_ptr<const Adapter>> fit_adapter(std::shared_ptr<const AdapterFile> from,
                                                   const Model& model);

}  // namespace weft::model

// A small valid LoRA adapter whose every fact a test can change before it is written.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "model/adapter.h"
#include "model/gguf_writer.h"
#include "model/quantize.h"

namespace weft::model {

struct SmallAdapter {
  struct Tensor {
    std::vector<uint64_t> dims;  // the contiguous one first
    TensorType type = TensorType::kF32;
  };

  std::map<std::string, std::string> texts = {{"general.type", "adapter"},
                                              {"general.architecture", "llama"},
                                              {"adapter.type", "lora"}};
  std::map<std::string, float> fractions = {{"adapter.lora.alpha", 16}};
  std::map<std::string, Tensor> tensors;

  void pair(const std::string& name, uint64_t rows, uint64_t cols, uint64_t rank,
            TensorType type = TensorType::kF32) {
    tensors[name + ".lora_a"] = {{cols, rank}, type};
    tensors[name + ".lora_b"] = {{rank, rows}, type};
  }

  // A pair for every matrix of a model's layers but the experts', and for an output of its own.
  // Ranks differ.
  void pairs_of(const Model& model) {
    texts["general.architecture"] = model.config().architecture;
    uint64_t rank = 0;
    for (const GgufTensor& tensor : model.file().tensors()) {
      const bool layer = tensor.name.starts_with("blk.") && tensor.name.ends_with(".weight");
      if (tensor.dims.size() != 2 || (!layer && tensor.name != "output.weight")) continue;
      pair(tensor.name, tensor.dims[1], tensor.dims[0], 1 + rank++ % 9);
    }
  }

  void write(const std::string& path) const {
    GgufWriter writer;
    for (const auto& [key, value] : texts) writer.text(key, value);
    for (const auto& [key, value] : fractions) writer.f32(key, value);
    for (const auto& [name, tensor] : tensors) writer.tensor(name, tensor.type, tensor.dims);
    WEFT_ASSERT(writer.open(path).ok());
    Random random(3);
    for (const auto& [name, tensor] : tensors) {
      uint64_t elements = 1;
      for (const uint64_t dim : tensor.dims) elements *= dim;
      std::vector<float> values(elements);
      for (float& value : values) value = float(random.normal() * 0.05);
      WEFT_ASSERT(writer.write(quantize(tensor.type, values)).ok());
    }
    WEFT_ASSERT(writer.finish().ok());
  }
};

// What a file with an F32 model becomes when an adapter's pairs are added to its matrices, in f64:
// W + scale alpha / rank B A.
inline void write_merged(const Model& model, const AdapterFile& adapter, const std::string& path) {
  Bytes bytes = read_file(model.file().path(), model.file().file_bytes()).value();
  for (const GgufTensor& a : adapter.file.tensors()) {
    if (!a.name.ends_with(".lora_a")) continue;
    const std::string name = a.name.substr(0, a.name.size() - 7);
    const GgufTensor& b = *adapter.file.find(name + ".lora_b");
    const GgufTensor& w = *model.file().find(name);
    WEFT_ASSERT(w.type == TensorType::kF32);
    std::vector<float> thin(a.elements), tall(b.elements);
    dequantize(a.type, adapter.file.data(a), thin);
    dequantize(b.type, adapter.file.data(b), tall);
    const uint64_t cols = w.dims[0], rank = a.dims[1];
    for (uint64_t i = 0; i < w.elements; ++i) {
      double sum = 0;
      for (uint64_t r = 0; r < rank; ++r) {
        sum += double{tall[i / cols * rank + r]} * thin[r * cols + i % cols];
      }
      float value = 0;
      std::memcpy(&value, &bytes[w.offset + 4 * i], 4);
      value = float(value + adapter.scale * adapter.alpha / double(rank) * sum);
      std::memcpy(&bytes[w.offset + 4 * i], &value, 4);
    }
  }
  WEFT_ASSERT(write_file_atomic(path, bytes).ok());
}

}  // namespace weft::model

// `weft quantize`: a model's file to one of fewer bits.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace weft::node {

struct QuantizeOptions {
  std::string input;  // a .gguf file
  std::string output;
  std::string type;      // of model::quantize_recipes(), in any case
  uint32_t threads = 0;  // 0: one per core
  bool force = false;
  bool json = false;
};

// kConflict if the output is there and `force` is not given; kInvalid if it is a folder or the
// input itself. Ctrl-C leaves no file and is kCancelled.
Result<> quantize_model(const QuantizeOptions& options);

}  // namespace weft::node

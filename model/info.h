// What `weft info` tells about a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace weft::model {

// The tensors of one type: together the types are the quantization mix.
struct TypeShare {
  TensorType type;
  uint32_t tensors = 0;
  uint64_t bytes = 0;
  uint64_t elements = 0;
};

struct ModelInfo {
  ModelConfig config;
  uint64_t file_bytes = 0;
  uint32_t tensor_count = 0;
  uint64_t tensor_bytes = 0;
  uint64_t parameters = 0;       // elements of all tensors but the rotary divisors
  std::vector<TypeShare> types;  // the type with the most bytes first
  bool tied_output = false;      // the output matrix is the token embedding
  uint64_t layer_bytes_max = 0;  // the largest layer's tensors
  uint32_t windowed_layers = 0;  // that keep the last config.window positions only
  // Keys and values of every layer for one position, and of those layers among them.
  uint64_t kv_bytes_per_token_f16 = 0;
  uint64_t kv_bytes_per_token_f32 = 0;
  uint64_t window_kv_bytes_per_token_f16 = 0;
};

ModelInfo describe_model(const Model& model);

}  // namespace weft::model

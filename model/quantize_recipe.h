// Which type each tensor of a model gets under a named quantization: the published mixes, which
// give more bits to the tensors that a model's quality depends on most.
// Source: the recipes of ggml-org/llama.cpp (llama-quant.cpp, llama_tensor_get_type), without an
// importance matrix, for the names below.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/gguf.h"
#include "model/tensor_type.h"

namespace weft::model {

struct QuantizeRecipe {
  std::string_view name;  // "Q4_K_M"
  uint32_t file_type;     // general.file_type
  TensorType base;
  TensorType output;  // of the output matrix, also where it is the token embedding
  TensorType more;    // attn_v and ffn_down of the first and last eighth of the layers and of every
                      // third between
};

std::span<const QuantizeRecipe> quantize_recipes();
// By name in any case; kInvalid names those that there are.
Result<const QuantizeRecipe*> find_quantize_recipe(std::string_view name);
// "Q8_0, Q4_0, ...".
std::string quantize_recipe_names();

// The types of a file's tensors, in its order: what is no matrix of weights stays as it is
// (vectors, norms, an expert gate, tables of positions).
//
// Rows that are no whole number of a type's blocks get the recipe's substitute (Q4_K: Q5_0, Q5_K:
// Q5_1, Q6_K: Q8_0), or F16. kUnsupported if a matrix to be quantized is neither F32, F16, BF16 nor
// Q8_0, or the file is one part of several; kCorrupt if there are no such matrices.
Result<std::vector<TensorType>> recipe_types(const QuantizeRecipe& recipe, const GgufFile& file);

}  // namespace weft::model

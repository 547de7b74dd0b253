// From what a user calls a model to its file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::node {

// The file `model` means: a path, or the name of a .gguf file in one of the folders.
// kNotFound lists the names that are near; kInvalid for a folder, with the models in it.
Result<std::string> find_model(const std::string& model, const std::vector<std::string>& folders);

// What the mesh calls the model of that path or name: the file's name without ".gguf".
std::string model_name(const std::string& model);

// Names of the folder's whole models, without ".gguf", sorted; none if it cannot be read. Parts
// that the node has fetched (a ".have" file lies beside them) are no whole models.
std::vector<std::string> models_in(const std::string& folder);

// Those of `names` that `wanted` may have meant, the nearest first.
std::vector<std::string> near_names(std::string_view wanted, std::vector<std::string> names);

}  // namespace weft::node

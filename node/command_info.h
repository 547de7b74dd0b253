// `weft info`: what a model is and what it takes.
#pragma once

#include <string>

#include "base/result.h"

namespace weft::node {

Result<> show_model(const std::string& model_path, bool json);

}  // namespace weft::node

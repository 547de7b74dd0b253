// A render's variables, from JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

// Malformed UTF-8 becomes U+FFFD; a whole number beyond 64 bits with sign becomes a float.
// kExhausted beyond the limits on nesting and bytes.
Result<Value> from_json(Runtime& runtime, const nlohmann::ordered_json& json, uint32_t depth = 0);

}  // namespace weft::model::jinja

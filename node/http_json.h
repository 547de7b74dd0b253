// JSON from clients, parsed only after its size, depth and number of values are known to be sane.
#pragma once

#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace weft::node {

inline constexpr size_t kJsonDepthMax = 64;
// Commas and opening brackets: what decides the memory that a parsed body takes.
inline constexpr size_t kJsonValuesMax = 100'000;

// A JSON object (RFC 8259). kInvalid for malformed UTF-8, deeper nesting, too many values, numbers
// that no double holds, anything that is not JSON, and for a value that is not an object. Any
// thread.
Result<nlohmann::json> parse_json_object(std::string_view text);

// The value as JSON text; malformed UTF-8 in it becomes U+FFFD.
template <typename Json>
std::string json_text(const Json& value, int indent = -1) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weft::node

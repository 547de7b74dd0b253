// Fields of a request's JSON: each with a type and a range, and errors that name it. Null counts as
// absent.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace weft::node {

// kInvalid: 'field' what.
Error invalid_field(std::string_view field, std::string_view what);

// Null if it is not there.
const nlohmann::json* field(const nlohmann::json& object, const char* name);
Result<double> number_field(const nlohmann::json& object, const char* name, double low, double high,
                            double fallback);
Result<uint32_t> whole_field(const nlohmann::json& object, const char* name, uint32_t low,
                             uint32_t high, uint32_t fallback);
Result<bool> flag_field(const nlohmann::json& object, const char* name, bool fallback = false);
Result<std::string> text_field(const nlohmann::json& object, const char* name);

}  // namespace weft::node

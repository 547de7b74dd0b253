#include "node/request_fields.h"

#include "base/text.h"

namespace weft::node {

using Json = nlohmann::json;

Error invalid_field(std::string_view field, std::string_view what) {
  return Error(ErrorCode::kInvalid, cat("'", field, "' ", what));
}

const Json* field(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<double> number_field(const Json& object, const char* name, double low, double high,
                            double fallback) {
  const Json* value = field(object, name);
  if (!value) return fallback;
  if (!value->is_number()) return invalid_field(name, "must be a number");
  const double x = value->get<double>();
  // Written so that NaN fails.
  if (!(x >= low && x <= high)) {
    return invalid_field(name, cat("is ", x, "; it must be from ", low, " to ", high));
  }
  return x;
}

Result<uint32_t> whole_field(const Json& object, const char* name, uint32_t low, uint32_t high,
                             uint32_t fallback) {
  const Json* value = field(object, name);
  if (!value) return fallback;
  const bool in_range = value->is_number_unsigned() && value->get<uint64_t>() >= low &&
                        value->get<uint64_t>() <= high;
  if (!in_range) return invalid_field(name, cat("must be a whole number from ", low, " to ", high));
  return uint32_t(value->get<uint64_t>());
}

Result<bool> flag_field(const Json& object, const char* name, bool fallback) {
  const Json* value = field(object, name);
  if (!value) return fallback;
  if (!value->is_boolean()) return invalid_field(name, "must be true or false");
  return value->get<bool>();
}

Result<std::string> text_field(const Json& object, const char* name) {
  const Json* value = field(object, name);
  if (!value) return std::string();
  if (!value->is_string()) return invalid_field(name, "must be a string");
  return value->get<std::string>();
}

}  // namespace weft::node

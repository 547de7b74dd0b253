#include "node/http_json.h"

#include "base/text.h"

namespace weft::node {
namespace {

// One pass over the text, strings skipped. It need not be valid: the parser decides that.
Result<> check_shape(std::string_view text) {
  size_t depth = 0;
  size_t values = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') {
      ++values;
      if (++depth > kJsonDepthMax) {
        return Error(ErrorCode::kInvalid,
                     cat("the JSON is nested deeper than ", kJsonDepthMax, " levels"));
      }
    }
    if (c == ']' || c == '}') depth -= depth > 0;
    if (c == ',') ++values;
    if (values > kJsonValuesMax) {
      return Error(ErrorCode::kInvalid,
                   cat("the JSON has more than ", kJsonValuesMax, " values"));
    }
  }
  return {};
}

}  // namespace

Result<nlohmann::json> parse_json_object(std::string_view text) {
  if (text.empty()) return Error(ErrorCode::kInvalid, "the body is empty; send a JSON object");
  if (!is_utf8(text)) return Error(ErrorCode::kInvalid, "the body is not well-formed UTF-8");
  WEFT_CHECK(check_shape(text));
  // A std::map inside: an object of many keys stays fast, which the ordered kind would not.
  auto value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded()) {
    return Error(ErrorCode::kInvalid, "the body is not valid JSON (RFC 8259)");
  }
  if (!value.is_object()) return Error(ErrorCode::kInvalid, "the body must be a JSON object");
  return value;
}

}  // namespace weft::node

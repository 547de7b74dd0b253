#include "model/template/input.h"

#include "base/text.h"

namespace weft::model::jinja {
namespace {

using Json = nlohmann::ordered_json;

Result<Value> text_value(Runtime& runtime, const std::string& text) {
  WEFT_CHECK(runtime.room(text.size()));
  return runtime.string(is_utf8(text) ? text : utf8_sanitize(text));
}

}  // namespace

Result<Value> from_json(Runtime& runtime, const Json& json, uint32_t depth) {
  if (depth > runtime.limits().depth) {
    return Error(ErrorCode::kExhausted, cat("the input nests more than ", runtime.limits().depth,
                                            " deep; a chat template's may not"));
  }
  switch (json.type()) {
    case Json::value_t::boolean: return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer: return Value::integer(json.get<int64_t>());
    case Json::value_t::number_unsigned: {
      const uint64_t number = json.get<uint64_t>();
      return number <= INT64_MAX ? Value::integer(int64_t(number)) : Value::real(double(number));
    }
    case Json::value_t::number_float: return Value::real(json.get<double>());
    case Json::value_t::string: return text_value(runtime, json.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& element : json) {
        WEFT_TRY(auto item, from_json(runtime, element, depth + 1));
        items.push_back(std::move(item));
      }
      return runtime.list(std::move(items));
    }
    case Json::value_t::object: {
      Dict dict;
      for (auto member = json.begin(); member != json.end(); ++member) {
        WEFT_TRY(const Value key, text_value(runtime, member.key()));
        WEFT_TRY(auto value, from_json(runtime, member.value(), depth + 1));
        dict.set(key, std::move(value));
      }
      return runtime.dict(std::move(dict));
    }
    default: return Value::none();
  }
}

}  // namespace weft::model::jinja

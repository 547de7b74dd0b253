// Methods of strings, lists, tuples and dicts.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

struct MethodEntry {
  std::string_view name;
  std::vector<std::string_view> parameters;  // as Bound::bind; {"*"}: any, only in `raw`
  Result<Value> (*call)(Runtime& runtime, const Value& self, const Bound& bound,
                        const Arguments& raw);
};

// Null if values of this kind have no such method.
const MethodEntry* find_method(const Value& object, std::string_view name);
// True for what the sandbox refuses: __names__, and methods that change a list or a dict.
bool is_unsafe_attribute(const Value& object, std::string_view name);
// A callable that calls the method on `object`.
Result<Value> bind_method(Runtime& runtime, const Value& object, const MethodEntry& method);

// The methods of str, and text.replace(from, to, limit) alone; a negative limit is none
// (string_methods.cc).
const std::vector<MethodEntry>& string_methods();
Result<Value> replace_text(Runtime& runtime, std::string_view text, std::string_view from,
                           std::string_view to, int64_t limit);

}  // namespace weft::model::jinja

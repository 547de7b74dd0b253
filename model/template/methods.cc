#include "model/template/methods.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/operators.h"

namespace weft::model::jinja {
namespace {

constexpr std::array<std::string_view, 8> kListChanges = {"append", "clear",   "extend", "insert",
                                                          "pop",    "remove", "reverse", "sort"};
constexpr std::array<std::string_view, 5> kDictChanges = {"clear", "pop", "popitem", "setdefault",
                                                          "update"};

Result<Value> dict_get(Runtime& runtime, const Value& self, const Bound& bound, const Arguments&) {
  WEFT_CHECK(runtime.touch(*bound[0]));
  if (const Value* found = self.dict().dict.find(*bound[0])) return *found;
  return bound[1] ? *bound[1] : Value::none();
}

Result<Value> dict_items(Runtime& runtime, const Value& self, const Bound&, const Arguments&) {
  return pairs_of(runtime, self, Flavor::kDictItems);
}

Result<Value> dict_keys(Runtime& runtime, const Value& self, const Bound&, const Arguments&) {
  std::vector<Value> keys;
  for (const auto& entry : self.dict().dict.entries()) keys.push_back(entry.key);
  return runtime.list(std::move(keys), Flavor::kDictKeys);
}

Result<Value> dict_values(Runtime& runtime, const Value& self, const Bound&, const Arguments&) {
  std::vector<Value> values;
  for (const auto& entry : self.dict().dict.entries()) values.push_back(entry.value);
  return runtime.list(std::move(values), Flavor::kDictValues);
}

// Values never change, so a copy is the value itself.
Result<Value> copy(Runtime&, const Value& self, const Bound&, const Arguments&) { return self; }

Result<Value> list_count(Runtime& runtime, const Value& self, const Bound& bound,
                         const Arguments&) {
  int64_t count = 0;
  for (const Value& item : self.items()) {
    WEFT_TRY(const bool same, equal(runtime, item, *bound[0]));
    count += same;
  }
  return Value::integer(count);
}

Result<Value> list_index(Runtime& runtime, const Value& self, const Bound& bound,
                         const Arguments&) {
  for (size_t i = 0; i < self.items().size(); ++i) {
    WEFT_TRY(const bool same, equal(runtime, self.items()[i], *bound[0]));
    if (same) return Value::integer(int64_t(i));
  }
  return runtime.fail("the value is not in the list");
}

const std::vector<MethodEntry>& dict_methods() {
  static const std::vector<MethodEntry> methods = {
      {"get", {"key", "default?"}, dict_get}, {"items", {}, dict_items},
      {"keys", {}, dict_keys},                {"values", {}, dict_values},
      {"copy", {}, copy},
  };
  return methods;
}

const std::vector<MethodEntry>& list_methods() {
  static const std::vector<MethodEntry> methods = {
      {"count", {"value"}, list_count},
      {"index", {"value"}, list_index},
      {"copy", {}, copy},
  };
  return methods;
}

bool is_list_or_tuple(const Value& object) {
  return object.is(Kind::kSequence) && object.sequence().flavor <= Flavor::kTuple;
}

}  // namespace

const MethodEntry* find_method(const Value& object, std::string_view name) {
  const std::vector<MethodEntry>* methods = nullptr;
  if (object.is(Kind::kString)) methods = &string_methods();
  if (object.is(Kind::kDict)) methods = &dict_methods();
  if (is_list_or_tuple(object)) methods = &list_methods();
  if (!methods) return nullptr;
  const auto found = std::find_if(methods->begin(), methods->end(),
                                  [&](const MethodEntry& entry) { return entry.name == name; });
  return found == methods->end() ? nullptr : &*found;
}

bool is_unsafe_attribute(const Value& object, std::string_view name) {
  if (name.size() > 4 && name.starts_with("__") && name.ends_with("__")) return true;
  const auto names = [&](const auto& list) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  if (object.is(Kind::kDict)) return names(kDictChanges);
  return object.is(Kind::kSequence) && object.sequence().flavor == Flavor::kList &&
         names(kListChanges);
}

Result<Value> bind_method(Runtime& runtime, const Value& object, const MethodEntry& method) {
  return runtime.callable(
      cat("method ", method.name, " of ", type_name(object)), object.depth(),
      [object, &method](Runtime& caller, const Arguments& arguments) -> Result<Value> {
        WEFT_CHECK(caller.touch(object));
        const bool any = method.parameters.size() == 1 && method.parameters[0] == "*";
        if (any) return method.call(caller, object, Bound(), arguments);
        WEFT_TRY(const Bound bound, Bound::bind(caller, cat(type_name(object), ".", method.name),
                                                method.parameters, arguments));
        return method.call(caller, object, bound, arguments);
      });
}

}  // namespace weft::model::jinja

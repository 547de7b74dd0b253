#include "model/template/access.h"

#include <algorithm>

#include "base/text.h"
#include "model/template/methods.h"
#include "model/template/unicode.h"

namespace weft::model::jinja {
namespace {

std::string object_name(const Value& object) {
  return object.is(Kind::kNone) ? "None" : cat(type_name(object), " object");
}

Result<Value> no_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  return runtime.undefined(
      cat("'", object_name(object), "' has no attribute '", printable(name), "'"));
}

Result<Value> unsafe_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  return runtime.undefined(cat("access to attribute '", printable(name), "' of '",
                               type_name(object), "' object is unsafe."),
                           true);
}

Result<Value> loop_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  const LoopBody& loop = object.loop();
  const std::vector<Value>& items = loop.sequence->items;
  const int64_t index = int64_t(loop.index), length = int64_t(items.size());
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(length - index);
  if (name == "revindex0") return Value::integer(length - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 == length);
  if (name == "length") return Value::integer(length);
  if (name == "depth") return Value::integer(1);  // only a recursive loop goes deeper
  if (name == "depth0") return Value::integer(0);
  if (name == "previtem") {
    if (index > 0) return items[size_t(index) - 1];
    return runtime.undefined("there is no previous item");
  }
  if (name == "nextitem") {
    if (index + 1 < length) return items[size_t(index) + 1];
    return runtime.undefined("there is no next item");
  }
  if (name == "cycle") {
    return runtime.callable("method cycle of LoopContext", 0,
                            [index](Runtime& caller, const Arguments& arguments) -> Result<Value> {
                              const auto& choices = arguments.positional;
                              if (choices.empty()) return caller.fail("no items for cycling given");
                              return choices[size_t(index) % choices.size()];
                            });
  }
  return no_attribute(runtime, object, name);
}

// The value at a position from the front or, if negative, from the back. Null if out of range.
const Value* at(const std::vector<Value>& items, int64_t index) {
  const int64_t size = int64_t(items.size());
  if (index < 0) index += size;
  return index >= 0 && index < size ? &items[size_t(index)] : nullptr;
}

bool is_indexable(const Value& value) {
  return value.is(Kind::kSequence) && (value.sequence().flavor == Flavor::kList ||
                                       value.sequence().flavor == Flavor::kTuple ||
                                       value.sequence().flavor == Flavor::kRange);
}

// The item if there is one; nothing if not.
Result<std::optional<Value>> find_item(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::kDict)) {
    WEFT_CHECK(runtime.touch(key));
    const Value* found = object.dict().dict.find(key);
    if (found) return std::optional<Value>(*found);
  } else if (is_indexable(object) && key.is_integral()) {
    const Value* found = at(object.items(), key.as_int());
    if (found) return std::optional<Value>(*found);
  } else if (object.is(Kind::kString) && key.is_integral()) {
    WEFT_CHECK(runtime.touch(object));
    const std::string_view text = object.text();
    int64_t index = key.as_int();
    if (index < 0) index += int64_t(code_point_count(text));
    const size_t begin = index < 0 ? text.size() : byte_offset(text, size_t(index));
    if (begin < text.size()) {
      size_t end = begin;
      decode_at(text, end);
      WEFT_TRY(Value character, runtime.string(std::string(text.substr(begin, end - begin))));
      return std::optional<Value>(std::move(character));
    }
  }
  return std::optional<Value>();
}

// A method, a namespace's or the loop's attribute, or what the sandbox refuses; nothing if none.
Result<std::optional<Value>> find_attribute(Runtime& runtime, const Value& object,
                                            std::string_view name) {
  Value found;
  if (object.is(Kind::kNamespace)) {
    WEFT_CHECK(runtime.touch_bytes(name.size()));
    const Value* attribute = object.ns().attributes.find(name);
    if (!attribute) return std::optional<Value>();
    return std::optional<Value>(*attribute);
  }
  if (is_unsafe_attribute(object, name)) {
    WEFT_TRY(found, unsafe_attribute(runtime, object, name));
    return std::optional<Value>(std::move(found));
  }
  const MethodEntry* method = find_method(object, name);
  if (!method) return std::optional<Value>();
  WEFT_TRY(found, bind_method(runtime, object, *method));
  return std::optional<Value>(std::move(found));
}

// One bound of a slice: `fallback` if absent, from the end if negative, then within [low, high].
Result<int64_t> slice_bound(const Runtime& runtime, const Value* bound, int64_t size,
                            int64_t fallback, int64_t low, int64_t high) {
  if (!bound || bound->is(Kind::kNone)) return fallback;
  if (bound->is(Kind::kUndefined)) return runtime.undefined_error(*bound);
  if (!bound->is_integral()) {
    return runtime.fail("slice indices must be integers or None");
  }
  int64_t index = bound->as_int();
  if (index < 0) index += size;
  return std::clamp(index, low, high);
}

}  // namespace

Result<Value> attribute_of(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is(Kind::kUndefined)) return runtime.undefined_error(object);
  if (object.is(Kind::kLoop)) return loop_attribute(runtime, object, name);
  WEFT_TRY(auto attribute, find_attribute(runtime, object, name));
  if (attribute) return std::move(*attribute);
  if (object.is(Kind::kDict)) {
    WEFT_CHECK(runtime.touch_bytes(name.size()));
    if (const Value* found = object.dict().dict.find(name)) return *found;
  }
  return no_attribute(runtime, object, name);
}

Result<Value> item_of(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::kUndefined)) return runtime.undefined_error(object);
  WEFT_TRY(auto item, find_item(runtime, object, key));
  if (item) return std::move(*item);
  if (key.is(Kind::kString)) {
    if (object.is(Kind::kLoop)) return loop_attribute(runtime, object, key.text());
    WEFT_TRY(auto attribute, find_attribute(runtime, object, key.text()));
    if (attribute) return std::move(*attribute);
    return no_attribute(runtime, object, key.text());
  }
  return runtime.undefined(cat(object_name(object), " has no element ",
                               key.is_integral() ? cat(key.as_int()) : cat(type_name(key))));
}

Result<Value> slice_of(Runtime& runtime, const Value& object, const Value* start,
                       const Value* stop, const Value* step_value) {
  if (object.is(Kind::kUndefined)) return runtime.undefined_error(object);
  if (!object.is(Kind::kString) && !is_indexable(object)) {
    return runtime.fail(cat("'", type_name(object), "' object cannot be sliced"));
  }
  WEFT_CHECK(runtime.touch(object));
  WEFT_TRY(const int64_t step,
           slice_bound(runtime, step_value, 0, 1, INT64_MIN + 1, INT64_MAX));
  if (step == 0) return runtime.fail("slice step cannot be zero");
  const bool is_string = object.is(Kind::kString);
  const int64_t size = is_string ? int64_t(code_point_count(object.text()))
                                 : int64_t(object.items().size());
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  WEFT_TRY(const int64_t first,
           slice_bound(runtime, start, size, step > 0 ? low : high, low, high));
  WEFT_TRY(const int64_t last, slice_bound(runtime, stop, size, step > 0 ? high : low, low, high));
  if (is_string && step == 1) {
    const std::string_view text = object.text();
    const size_t begin = byte_offset(text, size_t(first));
    const size_t end = last > first ? begin + byte_offset(text.substr(begin), size_t(last - first))
                                    : begin;
    return runtime.string(std::string(text.substr(begin, end - begin)));
  }
  const auto next = [&](int64_t i) {  // saturates: a huge step ends the slice
    int64_t sum;
    return __builtin_add_overflow(i, step, &sum) ? (step > 0 ? INT64_MAX : INT64_MIN) : sum;
  };
  const auto inside = [&](int64_t i) { return step > 0 ? i < last : i > last; };
  if (is_string) {
    WEFT_CHECK(runtime.room(uint64_t(size) * sizeof(std::string_view)));
    const auto characters = code_points(object.text());
    std::string text;
    for (int64_t i = first; inside(i); i = next(i)) text += characters[size_t(i)];
    return runtime.string(std::move(text));
  }
  WEFT_CHECK(runtime.room(uint64_t(size) * sizeof(Value)));
  std::vector<Value> items;
  for (int64_t i = first; inside(i); i = next(i)) items.push_back(object.items()[size_t(i)]);
  return runtime.list(std::move(items), object.sequence().flavor);
}

Result<int64_t> length_of(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString:
      WEFT_CHECK(runtime.touch(value));
      return int64_t(code_point_count(value.text()));
    case Kind::kSequence:
      if (value.sequence().flavor == Flavor::kGenerator) break;
      return int64_t(value.items().size());
    case Kind::kDict: return int64_t(value.dict().dict.entries().size());
    case Kind::kLoop: return int64_t(value.loop().sequence->items.size());
    default: break;
  }
  return runtime.fail(cat("object of type '", type_name(value), "' has no len()"));
}

bool is_iterable(const Value& value) {
  return value.is(Kind::kUndefined) || value.is(Kind::kString) || value.is(Kind::kSequence) ||
         value.is(Kind::kDict);
}

Result<Value> iterate(Runtime& runtime, const Value& value) {
  if (value.is(Kind::kSequence)) return value;
  if (!is_iterable(value)) {
    return runtime.fail(cat("'", type_name(value), "' object is not iterable"));
  }
  std::vector<Value> items;
  if (value.is(Kind::kUndefined) && value.undefined() && value.undefined()->unsafe) {
    return runtime.undefined_error(value);
  }
  if (value.is(Kind::kDict)) {
    WEFT_CHECK(runtime.touch(value));
    WEFT_CHECK(runtime.room(value.dict().dict.entries().size() * sizeof(Value)));
    for (const Dict::Entry& entry : value.dict().dict.entries()) items.push_back(entry.key);
  } else if (value.is(Kind::kString)) {
    const std::string_view text = value.text();
    for (size_t offset = 0; offset < text.size();) {
      const size_t begin = offset;
      decode_at(text, offset);
      WEFT_CHECK(runtime.step());
      WEFT_TRY(auto character, runtime.string(std::string(text.substr(begin, offset - begin))));
      items.push_back(std::move(character));
    }
  }
  return runtime.list(std::move(items), Flavor::kGenerator);
}

Result<Value> pairs_of(Runtime& runtime, const Value& dict, Flavor flavor) {
  std::vector<Value> pairs;
  for (const Dict::Entry& entry : dict.dict().dict.entries()) {
    WEFT_CHECK(runtime.step());
    WEFT_TRY(auto pair, runtime.tuple({entry.key, entry.value}));
    pairs.push_back(std::move(pair));
  }
  return runtime.list(std::move(pairs), flavor);
}

Result<Value> path_of(Runtime& runtime, const Value& object, const Value& path) {
  if (!path.is(Kind::kString)) return item_of(runtime, object, path);
  WEFT_CHECK(runtime.room(path.text().size() * sizeof(std::string)));
  Value value = object;
  for (const std::string& part : split(path.text(), '.')) {
    WEFT_CHECK(runtime.step());
    const auto position = parse_u64(part);
    const bool is_index = position.ok() && *position <= INT64_MAX;
    WEFT_TRY(value, item_of(runtime, value, is_index ? Value::integer(int64_t(*position))
                                                     : Value::literal(part)));
  }
  return value;
}

}  // namespace weft::model::jinja

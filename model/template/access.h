// Attributes, items, slices, lengths and iteration, with the rules of Jinja2's sandbox: what would
// change a list or a dict, or starts with an underscore, is refused.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

// object.name: a method or attribute, else an item of that key. Undefined if there is neither;
// kInvalid if `object` itself is undefined.
Result<Value> attribute_of(Runtime& runtime, const Value& object, std::string_view name);
// object[key]: an item, else an attribute.
Result<Value> item_of(Runtime& runtime, const Value& object, const Value& key);
// object[start:stop:step]; each may be null (left out) or None.
Result<Value> slice_of(Runtime& runtime, const Value& object, const Value* start,
                       const Value* stop, const Value* step);

// len(value). kInvalid for what has none.
Result<int64_t> length_of(Runtime& runtime, const Value& value);
// The items that a loop over `value` sees, as a sequence: a string's code points, a dict's keys,
// nothing for undefined. kInvalid for what cannot be iterated.
Result<Value> iterate(Runtime& runtime, const Value& value);
bool is_iterable(const Value& value);

// The (key, value) tuples of a dict.
Result<Value> pairs_of(Runtime& runtime, const Value& dict, Flavor flavor);

// A path like "function.name" or "0.id" from an object, as filters take it.
Result<Value> path_of(Runtime& runtime, const Value& object, const Value& path);

}  // namespace weft::model::jinja

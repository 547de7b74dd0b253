// Python's operators on template values.
#pragma once

#include "base/result.h"
#include "model/template/ast.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

// `left op right`. Whole numbers have 64 bits: an overflow is kInvalid, never a wrong number.
Result<Value> arithmetic(Runtime& runtime, BinaryOperator op, const Value& left,
                         const Value& right);
// -value, +value.
Result<Value> signed_value(Runtime& runtime, bool negative, const Value& value);

// left == right, part by part for containers; numbers by value, so 1 == 1.0 == True.
Result<bool> equal(Runtime& runtime, const Value& left, const Value& right);
// left < right for two numbers, strings (by code point), lists or tuples.
Result<bool> less(Runtime& runtime, const Value& left, const Value& right);
// item in container.
Result<bool> contains(Runtime& runtime, const Value& container, const Value& item);
Result<bool> compare(Runtime& runtime, Comparison op, const Value& left, const Value& right);

// Sorts `order`, positions of `keys`, by ascending (or descending) key; stable either way.
Result<> sort_by_keys(Runtime& runtime, const std::vector<Value>& keys, bool descending,
                      std::vector<size_t>& order);

}  // namespace weft::model::jinja

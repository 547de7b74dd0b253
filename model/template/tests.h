// The tests behind `is`.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

struct TestEntry {
  std::string_view name;
  std::vector<std::string_view> parameters;  // as Bound::bind
  Result<bool> (*apply)(Runtime& runtime, const Value& input, const Bound& bound);
};

// Null if there is none of that name.
const TestEntry* find_test(std::string_view name);
Result<bool> apply_test(Runtime& runtime, const TestEntry& test, const Value& input,
                        const Arguments& arguments);

}  // namespace weft::model::jinja

// The filters behind `|`.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

struct FilterEntry {
  std::string_view name;
  std::vector<std::string_view> parameters;  // as Bound::bind; {"*"}: any, only in `raw`
  Result<Value> (*apply)(Runtime& runtime, const Value& input, const Bound& bound,
                         const Arguments& raw);
};

// Null if there is none of that name.
const FilterEntry* find_filter(std::string_view name);
Result<Value> apply_filter(Runtime& runtime, const FilterEntry& filter, const Value& input,
                           const Arguments& arguments);

// Filters on text and numbers (text_filters.cc), and on lists and dicts (list_filters.cc).
const std::vector<FilterEntry>& text_filters();
const std::vector<FilterEntry>& list_filters();

}  // namespace weft::model::jinja

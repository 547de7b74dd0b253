#include "model/template/filters.h"

#include <algorithm>

#include "base/text.h"

namespace weft::model::jinja {

const FilterEntry* find_filter(std::string_view name) {
  for (const auto* filters : {&text_filters(), &list_filters()}) {
    const auto found = std::find_if(filters->begin(), filters->end(),
                                    [&](const FilterEntry& entry) { return entry.name == name; });
    if (found != filters->end()) return &*found;
  }
  return nullptr;
}

Result<Value> apply_filter(Runtime& runtime, const FilterEntry& filter, const Value& input,
                           const Arguments& arguments) {
  WEFT_TRY(const Frame frame, runtime.enter());
  WEFT_CHECK(runtime.step());
  WEFT_CHECK(runtime.touch(input));
  const bool any = filter.parameters.size() == 1 && filter.parameters[0] == "*";
  if (any) return filter.apply(runtime, input, Bound(), arguments);
  WEFT_TRY(const Bound bound, Bound::bind(runtime, cat("the filter '", filter.name, "'"),
                                          filter.parameters, arguments));
  return filter.apply(runtime, input, bound, arguments);
}

}  // namespace weft::model::jinja

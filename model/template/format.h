// String formatting: Python's % operator and str.format.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

// The widest field and the longest fraction a conversion may ask for.
inline constexpr int kFormatWidthMax = 1000;

// text % arguments: %s %r %d %i %f %e %g %x %X %o %c %%, with flags, width, precision and (key).
// A tuple gives several arguments, a dict named ones.
Result<Value> format_percent(Runtime& runtime, std::string_view text, const Value& arguments);

// text.format(...): {}, {0}, {name} and doubled braces. kInvalid for a format behind a colon, an
// attribute or an item within the braces.
Result<Value> format_braces(Runtime& runtime, std::string_view text, const Arguments& arguments);

}  // namespace weft::model::jinja

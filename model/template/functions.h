// The functions that every template has: range, dict, namespace, raise_exception, strftime_now.
#pragma once

#include "base/result.h"
#include "model/template/runtime.h"

namespace weft::model::jinja {

// The longest range; the sandbox's own limit.
inline constexpr uint64_t kRangeMax = 100'000;
// What is kept of a text given to raise_exception.
inline constexpr size_t kExceptionBytesMax = 16 * 1024;

Result<> add_functions(Runtime& runtime, Scope& scope);

// strftime of a time without a zone, C locale: the conversions of C99 and %-d and its kin (no
// padding); any other one stays as it is.
Result<std::string> format_time(const Runtime& runtime, std::string_view format, int64_t unix_time);

}  // namespace weft::model::jinja

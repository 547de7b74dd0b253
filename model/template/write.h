// Values as text: str(), repr() and json.dumps() of Python.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/template/runtime.h"
#include "model/template/value.h"

namespace weft::model::jinja {

// str(value): a string as it is, nothing for an undefined value, repr() for the rest.
Result<std::string> to_text(Runtime& runtime, const Value& value);
// repr(value): strings in quotes, True, None, [1, 'a'], {'k': 1.0}.
Result<std::string> to_repr(Runtime& runtime, const Value& value);

// repr of a float: the fewest digits that read back the same, 1.0, 1e-05, 1e+16, inf, nan.
std::string float_text(double number);
// repr of a string.
std::string quote_text(std::string_view text);

struct JsonStyle {
  bool ascii = false;     // \uXXXX for all that is not ASCII
  bool sort_keys = false;
  int64_t indent = -1;    // spaces per level; all on one line if negative
  std::string item_separator = ", ";  // with an indent Python's default is ","
  std::string key_separator = ": ";
};
// json.dumps(value). kInvalid for what JSON cannot say.
Result<std::string> to_json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace weft::model::jinja

// Of filters.h: text, numbers and JSON.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/filters.h"
#include "model/template/format.h"
#include "model/template/methods.h"
#include "model/template/operators.h"
#include "model/template/unicode.h"
#include "model/template/write.h"

namespace weft::model::jinja {
namespace {

// A filter that is a change of str(input).
template <std::string (*kChange)(std::string_view)>
Result<Value> changed(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  WEFT_TRY(const std::string text, to_text(runtime, input));
  return runtime.string(kChange(text));
}

std::string title_words(std::string_view text) { return title(text, true); }

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

Result<Value> as_string(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  if (input.is(Kind::kString)) return input;
  WEFT_TRY(std::string text, to_text(runtime, input));
  return runtime.string(std::move(text));
}

// Calls str's method of that name on str(input).
Result<Value> string_method(Runtime& runtime, const Value& input, std::string_view name,
                            const Arguments& arguments) {
  WEFT_TRY(const Value text, as_string(runtime, input, Bound(), {}));
  WEFT_TRY(const Value method, bind_method(runtime, text, *find_method(text, name)));
  return method.callable().call(runtime, arguments);
}

Result<Value> trim_text(Runtime& runtime, const Value& input, const Bound& bound,
                        const Arguments&) {
  Arguments arguments;
  if (bound[0]) arguments.positional.push_back(*bound[0]);
  return string_method(runtime, input, "strip", arguments);
}

Result<Value> center(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  WEFT_TRY(const int64_t width, bound.integer(runtime, 0, 80));
  return string_method(runtime, input, "center", {{Value::integer(width)}, {}});
}

Result<Value> replace(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  WEFT_TRY(const std::string text, to_text(runtime, input));
  WEFT_TRY(const std::string from, to_text(runtime, *bound[0]));
  WEFT_TRY(const std::string to, to_text(runtime, *bound[1]));
  WEFT_TRY(const int64_t limit, bound.integer(runtime, 2, -1));
  return replace_text(runtime, text, from, to, limit);
}

Result<Value> format(Runtime& runtime, const Value& input, const Bound&, const Arguments& raw) {
  WEFT_TRY(const std::string text, to_text(runtime, input));
  if (raw.named.empty()) {
    WEFT_TRY(const Value arguments, runtime.tuple(raw.positional));
    return format_percent(runtime, text, arguments);
  }
  Dict named;
  for (const auto& [name, value] : raw.named) named.set(Value::literal(name), value);
  WEFT_TRY(const Value arguments, runtime.dict(std::move(named)));
  return format_percent(runtime, text, arguments);
}

Result<Value> indent(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  std::string indention;
  if (bound[0] && bound[0]->is(Kind::kString)) {
    indention = bound[0]->text();
  } else {
    WEFT_TRY(const int64_t width, bound.integer(runtime, 0, 4));
    WEFT_CHECK(runtime.room(width > 0 ? uint64_t(width) : 0));
    indention.assign(width > 0 ? size_t(width) : 0, ' ');
  }
  const bool first = bound.truth(1, false), blank = bound.truth(2, false);
  WEFT_TRY(std::string text, to_text(runtime, input));
  WEFT_CHECK(runtime.room(text.size() * sizeof(std::string_view)));
  text += '\n';
  const auto lines = split_lines(text);
  std::string out = first ? indention : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    WEFT_CHECK(runtime.touch_bytes(indention.size() + lines[i].size()));
    WEFT_CHECK(runtime.room(out.size() + indention.size() + lines[i].size()));
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += indention;
    out += lines[i];
  }
  return runtime.string(std::move(out));
}

Result<Value> truncate(Runtime& runtime, const Value& input, const Bound& bound,
                       const Arguments&) {
  WEFT_TRY(const std::string text, to_text(runtime, input));
  WEFT_TRY(const int64_t length, bound.integer(runtime, 0, 255));
  WEFT_TRY(const std::string_view end, bound.text(runtime, 2, "..."));
  WEFT_TRY(const int64_t leeway, bound.integer(runtime, 3, 5));
  const int64_t end_length = int64_t(code_point_count(end));
  if (length < end_length || leeway < 0 || length > INT32_MAX || leeway > INT32_MAX) {
    return runtime.fail(cat("cannot truncate to ", length, " characters"));
  }
  if (int64_t(code_point_count(text)) <= length + leeway) return runtime.string(text);
  std::string_view kept =
      std::string_view(text).substr(0, byte_offset(text, size_t(length - end_length)));
  if (!bound.truth(1, false)) kept = kept.substr(0, kept.rfind(' '));
  return runtime.string(cat(kept, end));
}

Result<Value> to_json_text(Runtime& runtime, const Value& input, const Bound& bound,
                           const Arguments&) {
  JsonStyle style;
  style.ascii = bound.truth(0, false);
  WEFT_TRY(style.indent, bound.integer(runtime, 1, -1));
  style.sort_keys = bound.truth(3, false);
  if (style.indent >= 0) style.item_separator = ",";
  style.indent = std::min<int64_t>(style.indent, INT32_MAX);
  if (bound[2] && !bound[2]->is(Kind::kNone)) {
    const Value& pair = *bound[2];
    if (!pair.is(Kind::kSequence) || pair.items().size() != 2 ||
        !pair.items()[0].is(Kind::kString) || !pair.items()[1].is(Kind::kString)) {
      return runtime.fail("separators must be a pair of strings");
    }
    style.item_separator = pair.items()[0].text();
    style.key_separator = pair.items()[1].text();
  }
  WEFT_TRY(std::string text, to_json(runtime, input, style));
  return runtime.string(std::move(text));
}

// int(text, base), else int(float(text)); nothing if it is neither.
std::optional<int64_t> parse_whole(std::string_view text, int base) {
  text = strip(text, Side::kBoth);
  std::string_view digits = text;
  if (digits.starts_with("+")) digits.remove_prefix(1);
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value, base);
  if (read.ec == std::errc() && read.ptr == end) return value;
  const auto real = parse_double(text);
  if (real.ok() && std::abs(*real) < 9e18) return int64_t(*real);
  return std::nullopt;
}

Result<Value> to_int(Runtime& runtime, const Value& input, const Bound& bound, const Arguments&) {
  if (input.is(Kind::kUndefined)) return runtime.undefined_error(input);
  const Value fallback = bound[0] ? *bound[0] : Value::integer(0);
  if (input.is_integral()) return Value::integer(input.as_int());
  if (input.is(Kind::kFloat)) {
    const bool fits = std::abs(input.as_double()) < 9e18;
    return fits ? Value::integer(int64_t(input.as_double())) : fallback;
  }
  if (!input.is(Kind::kString)) return fallback;
  WEFT_TRY(const int64_t base, bound.integer(runtime, 1, 10));
  if (base < 2 || base > 36) return runtime.fail("int() base must be from 2 to 36");
  const auto parsed = parse_whole(input.text(), int(base));
  return parsed ? Value::integer(*parsed) : fallback;
}

Result<Value> to_float(Runtime& runtime, const Value& input, const Bound& bound,
                       const Arguments&) {
  if (input.is(Kind::kUndefined)) return runtime.undefined_error(input);
  if (input.is_number()) return Value::real(input.as_double());
  if (input.is(Kind::kString)) {
    std::string_view text = strip(input.text(), Side::kBoth);
    if (text.starts_with("+")) text.remove_prefix(1);
    const auto parsed = parse_double(text);
    if (parsed.ok()) return Value::real(*parsed);
  }
  return bound[0] ? *bound[0] : Value::real(0);
}

Result<Value> absolute(Runtime& runtime, const Value& input, const Bound&, const Arguments&) {
  const bool negative = input.is_number() && input.as_double() < 0;
  return signed_value(runtime, negative, input);
}

Result<Value> round_number(Runtime& runtime, const Value& input, const Bound& bound,
                           const Arguments&) {
  if (input.is(Kind::kUndefined)) return runtime.undefined_error(input);
  if (!input.is_number()) return runtime.fail(cat("cannot round '", type_name(input), "'"));
  WEFT_TRY(const int64_t precision, bound.integer(runtime, 0, 0));
  WEFT_TRY(const std::string_view method, bound.text(runtime, 1, "common"));
  if (std::abs(precision) > 300) return runtime.fail("cannot round to more than 300 digits");
  const double value = input.as_double();
  const double scale = std::pow(10.0, double(precision));
  if (method == "ceil") return Value::real(std::ceil(value * scale) / scale);
  if (method == "floor") return Value::real(std::floor(value * scale) / scale);
  if (method != "common") return runtime.fail("method must be common, ceil or floor");
  if (input.is_integral() && precision >= 0) return Value::integer(input.as_int());
  if (!std::isfinite(value)) return input;
  if (precision < 0) {
    const double rounded = std::nearbyint(value * scale) / scale;
    return input.is_integral() ? Value::integer(int64_t(rounded)) : Value::real(rounded);
  }
  // The C library rounds the exact binary value, half to even, as Python does.
  char digits[700];
  std::snprintf(digits, sizeof digits, "%.*f", int(precision), value);
  return Value::real(std::strtod(digits, nullptr));
}

}  // namespace

const std::vector<FilterEntry>& text_filters() {
  static const std::vector<FilterEntry> filters = {
      {"upper", {}, changed<to_upper>},
      {"lower", {}, changed<to_lower>},
      {"capitalize", {}, changed<capitalize>},
      {"title", {}, changed<title_words>},
      {"escape", {}, changed<escaped>},
      {"e", {}, changed<escaped>},
      {"string", {}, as_string},
      {"safe", {}, as_string},
      {"trim", {"chars?"}, trim_text},
      {"center", {"width?"}, center},
      {"replace", {"old", "new", "count?"}, replace},
      {"format", {"*"}, format},
      {"indent", {"width?", "first?", "blank?"}, indent},
      {"truncate", {"length?", "killwords?", "end?", "leeway?"}, truncate},
      {"tojson", {"ensure_ascii?", "indent?", "separators?", "sort_keys?"}, to_json_text},
      {"int", {"default?", "base?"}, to_int},
      {"float", {"default?"}, to_float},
      {"abs", {}, absolute},
      {"round", {"precision?", "method?"}, round_number},
  };
  return filters;
}

}  // namespace weft::model::jinja

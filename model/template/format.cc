#include "model/template/format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "base/text.h"
#include "model/template/unicode.h"
#include "model/template/write.h"

namespace weft::model::jinja {
namespace {

struct Conversion {
  bool minus = false, plus = false, zero = false, space = false;
  int width = 0;
  int precision = -1;
  char type = 's';
};

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, std::string_view text, const Value& arguments)
      : runtime_(runtime), text_(text), arguments_(arguments) {
    is_tuple_ = arguments.is(Kind::kSequence) && arguments.sequence().flavor == Flavor::kTuple;
  }

  Result<Value> run() {
    while (at_ < text_.size()) {
      const size_t percent = std::min(text_.find('%', at_), text_.size());
      out_ += text_.substr(at_, percent - at_);
      at_ = percent + 1;
      if (percent < text_.size()) WEFT_CHECK(conversion());
    }
    const size_t given = is_tuple_ ? arguments_.items().size() : 1;
    if (!arguments_.is(Kind::kDict) && used_ < given) {
      return runtime_.fail("not all arguments converted during string formatting");
    }
    return runtime_.string(std::move(out_));
  }

 private:
  bool skip(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<int> number() {
    int value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kFormatWidthMax) return runtime_.fail("a format asks for too wide a field");
    }
    return value;
  }

  Result<const Value*> next_argument() {
    if (!is_tuple_ && used_ == 0) {
      ++used_;
      return &arguments_;
    }
    if (!is_tuple_ || used_ >= arguments_.items().size()) {
      return runtime_.fail("not enough arguments for format string");
    }
    return &arguments_.items()[used_++];
  }

  Result<> conversion() {
    WEFT_CHECK(runtime_.step());
    WEFT_CHECK(runtime_.room(out_.size() + kFormatWidthMax));
    const Value* argument = nullptr;
    if (skip('(')) {
      const size_t end = text_.find(')', at_);
      if (end == text_.npos || !arguments_.is(Kind::kDict)) {
        return runtime_.fail("format requires a mapping");
      }
      const std::string_view key = text_.substr(at_, end - at_);
      argument = arguments_.dict().dict.find(key);
      if (!argument)
        return runtime_.fail(cat("format names an unknown key '", printable(key), "'"));
      at_ = end + 1;
    }
    Conversion spec;
    while (true) {
      if (skip('-')) {
        spec.minus = true;
      } else if (skip('+')) {
        spec.plus = true;
      } else if (skip('0')) {
        spec.zero = true;
      } else if (skip(' ')) {
        spec.space = true;
      } else if (!skip('#')) {
        break;
      }
    }
    WEFT_TRY(spec.width, number());
    if (skip('.')) {
      WEFT_TRY(spec.precision, number());
    }
    if (at_ >= text_.size()) return runtime_.fail("incomplete format");
    spec.type = text_[at_++];
    if (spec.type == '%') {
      out_ += '%';
      return {};
    }
    if (!argument) {
      WEFT_TRY(argument, next_argument());
    }
    WEFT_TRY(std::string converted, convert(spec, *argument));
    pad(spec, converted);
    return {};
  }

  // Zeros go between the sign and the digits.
  void pad(const Conversion& spec, std::string& converted) {
    const size_t size = code_point_count(converted);
    const size_t missing = size_t(spec.width) > size ? size_t(spec.width) - size : 0;
    if (spec.minus) {
      out_ += converted;
      out_.append(missing, ' ');
    } else if (spec.zero && spec.type != 's' && spec.type != 'r' && spec.type != 'c') {
      const bool has_sign = !converted.empty() && (converted[0] == '-' || converted[0] == '+');
      out_.append(converted, 0, has_sign);
      out_.append(missing, '0');
      out_.append(converted, has_sign);
    } else {
      out_.append(missing, ' ');
      out_ += converted;
    }
  }

  Result<std::string> convert(const Conversion& spec, const Value& argument) {
    std::string text;
    switch (spec.type) {
      case 's':
      case 'r': {
        WEFT_TRY(text, spec.type == 's' ? to_text(runtime_, argument)
                                        : to_repr(runtime_, argument));
        if (spec.precision >= 0) text.resize(byte_offset(text, size_t(spec.precision)));
        return text;
      }
      case 'c':
        if (argument.is(Kind::kString) && code_point_count(argument.text()) == 1) {
          return argument.text();
        }
        return runtime_.fail("%c requires a string of one character");
      case 'd': case 'i': case 'x': case 'X': case 'o':
        return whole(spec, argument);
      case 'f': case 'F': case 'e': case 'E': case 'g': case 'G':
        return real(spec, argument);
      default:
        return runtime_.fail(
            cat("unsupported format character '", printable(std::string_view(&spec.type, 1)), "'"));
    }
  }

  std::string signed_text(const Conversion& spec, bool negative, std::string_view digits) const {
    const char* sign = negative ? "-" : spec.plus ? "+" : spec.space ? " " : "";
    return cat(sign, digits);
  }

  Result<std::string> whole(const Conversion& spec, const Value& argument) {
    const bool from_real = argument.is(Kind::kFloat) && (spec.type == 'd' || spec.type == 'i') &&
                           std::abs(argument.as_double()) < 9e18;
    if (!argument.is_integral() && !from_real) {
      return runtime_.fail(cat("%", spec.type, " format: a number is required, not ",
                               type_name(argument)));
    }
    const int64_t value = from_real ? int64_t(argument.as_double()) : argument.as_int();
    const uint64_t size = value < 0 ? 0 - uint64_t(value) : uint64_t(value);
    char digits[32];
    const char* format = spec.type == 'x' ? "%llx" : spec.type == 'X' ? "%llX"
                         : spec.type == 'o' ? "%llo" : "%llu";
    std::snprintf(digits, sizeof digits, format, static_cast<unsigned long long>(size));
    std::string text = digits;
    const size_t zeros = size_t(std::max(spec.precision - int(text.size()), 0));
    return signed_text(spec, value < 0, std::string(zeros, '0').append(text));
  }

  Result<std::string> real(const Conversion& spec, const Value& argument) {
    if (!argument.is_number()) {
      return runtime_.fail(cat("must be real number, not ", type_name(argument)));
    }
    const double value = argument.as_double();
    const char format[] = {'%', '.', '*', spec.type, '\0'};
    const int precision = spec.precision < 0 ? 6 : spec.precision;
    char digits[kFormatWidthMax + 400];  // 309 digits before the point at most
    std::snprintf(digits, sizeof digits, format, precision, std::abs(value));
    return signed_text(spec, std::signbit(value) && !std::isnan(value), digits);
  }

  Runtime& runtime_;
  const std::string_view text_;
  const Value& arguments_;
  bool is_tuple_;
  size_t at_ = 0;
  size_t used_ = 0;
  std::string out_;
};

// The argument that a field between braces names: by position, by name, or the next one if empty.
Result<const Value*> field_argument(const Runtime& runtime, std::string_view field,
                                    const Arguments& arguments, size_t& automatic) {
  const auto position =
      field.empty() ? std::optional<uint64_t>(automatic++)
                    : [&]() -> std::optional<uint64_t> {
                        const auto parsed = parse_u64(field);
                        return parsed.ok() ? std::optional<uint64_t>(*parsed) : std::nullopt;
                      }();
  if (position) {
    if (*position < arguments.positional.size()) return &arguments.positional[*position];
    return runtime.fail("str.format names an argument that is not there");
  }
  for (const auto& [name, value] : arguments.named) {
    if (name == field) return &value;
  }
  return runtime.fail(cat("str.format does not support the field '", printable(field), "'"));
}

}  // namespace

Result<Value> format_percent(Runtime& runtime, std::string_view text, const Value& arguments) {
  WEFT_CHECK(runtime.touch_bytes(text.size()));
  return PercentFormatter(runtime, text, arguments).run();
}

Result<Value> format_braces(Runtime& runtime, std::string_view text, const Arguments& arguments) {
  WEFT_CHECK(runtime.touch_bytes(text.size()));
  std::string out;
  size_t automatic = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool doubled = at + 1 < text.size() && text[at + 1] == c;
    if ((c != '{' && c != '}') || doubled) {
      out += c;
      if (c == '{' || c == '}') ++at;
      continue;
    }
    const size_t end = text.find('}', at);
    if (c == '}' || end == text.npos) return runtime.fail("str.format has an unmatched brace");
    WEFT_CHECK(runtime.step());
    WEFT_TRY(const Value* argument,
             field_argument(runtime, text.substr(at + 1, end - at - 1), arguments, automatic));
    WEFT_TRY(const std::string part, to_text(runtime, *argument));
    WEFT_CHECK(runtime.room(out.size() + part.size()));
    out += part;
    at = end;
  }
  return runtime.string(std::move(out));
}

}  // namespace weft::model::jinja

#include "model/template/functions.h"

#include <ctime>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/write.h"

namespace weft::model::jinja {
namespace {

Result<Value> range(Runtime& runtime, const Arguments& arguments) {
  WEFT_TRY(const Bound bound,
           Bound::bind(runtime, "range", {"start", "stop?", "step?"}, arguments));
  WEFT_TRY(int64_t start, bound.integer(runtime, 0, 0));
  WEFT_TRY(int64_t stop, bound.integer(runtime, 1, 0));
  WEFT_TRY(const int64_t step, bound.integer(runtime, 2, 1));
  if (!bound[1]) stop = std::exchange(start, 0);
  if (step == 0) return runtime.fail("range() arg 3 must not be zero");
  const bool empty = step > 0 ? start >= stop : start <= stop;
  // Unsigned differences cannot overflow.
  const uint64_t distance = step > 0 ? uint64_t(stop) - uint64_t(start)
                                     : uint64_t(start) - uint64_t(stop);
  const uint64_t stride = step > 0 ? uint64_t(step) : 0 - uint64_t(step);
  const uint64_t count = empty ? 0 : (distance - 1) / stride + 1;
  if (count > kRangeMax) {
    return Error(ErrorCode::kExhausted,
                 cat("template line ", runtime.line(), ": a range of ", count, " numbers; at most ",
                     kRangeMax, " are allowed"));
  }
  WEFT_CHECK(runtime.room(count * sizeof(Value)));
  std::vector<Value> numbers;
  numbers.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    numbers.push_back(Value::integer(int64_t(uint64_t(start) + i * uint64_t(step))));
  }
  return runtime.list(std::move(numbers), Flavor::kRange);
}

// What dict() and namespace() take: a dict or pairs, then names.
Result<Dict> collected(Runtime& runtime, std::string_view what, const Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1) {
    return runtime.fail(cat(what, " takes at most one positional argument"));
  }
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    WEFT_CHECK(runtime.touch(source));
    Value pairs;
    if (source.is(Kind::kDict)) {
      WEFT_TRY(pairs, pairs_of(runtime, source, Flavor::kList));
    } else {
      WEFT_TRY(pairs, iterate(runtime, source));
    }
    for (const Value& item : pairs.items()) {
      WEFT_TRY(const Value pair, iterate(runtime, item));
      if (pair.items().size() != 2 || !dict.set(pair.items()[0], pair.items()[1])) {
        return runtime.fail(cat(what, " needs pairs of a key and a value"));
      }
    }
  }
  for (const auto& [name, value] : arguments.named) {
    WEFT_TRY(const Value key, runtime.string(name));
    dict.set(key, value);
  }
  return dict;
}

Result<Value> make_dict(Runtime& runtime, const Arguments& arguments) {
  WEFT_TRY(Dict dict, collected(runtime, "dict", arguments));
  return runtime.dict(std::move(dict));
}

Result<Value> make_namespace(Runtime& runtime, const Arguments& arguments) {
  WEFT_TRY(Dict dict, collected(runtime, "namespace", arguments));
  WEFT_TRY(const Value made, runtime.name_space());
  made.ns().attributes = std::move(dict);
  WEFT_CHECK(runtime.grown(made.ns(), 0));
  return made;
}

Result<Value> raise_exception(Runtime& runtime, const Arguments& arguments) {
  WEFT_TRY(const Bound bound,
           Bound::bind(runtime, "raise_exception", {"message"}, arguments));
  WEFT_TRY(std::string text, to_text(runtime, *bound[0]));
  if (text.size() > kExceptionBytesMax) {
    text.resize(utf8_complete_prefix(std::string_view(text).substr(0, kExceptionBytesMax)));
  }
  return Error(ErrorCode::kInvalid, std::move(text));
}

Result<Value> strftime_now(Runtime& runtime, const Arguments& arguments) {
  WEFT_TRY(const Bound bound, Bound::bind(runtime, "strftime_now", {"format"}, arguments));
  WEFT_TRY(const std::string_view format, bound.text(runtime, 0, ""));
  WEFT_TRY(std::string text, format_time(runtime, format, runtime.now_unix()));
  return runtime.string(std::move(text));
}

}  // namespace

Result<> add_functions(Runtime& runtime, Scope& scope) {
  using Function = Result<Value> (*)(Runtime&, const Arguments&);
  static constexpr std::pair<std::string_view, Function> kFunctions[] = {
      {"range", range},
      {"dict", make_dict},
      {"namespace", make_namespace},
      {"raise_exception", raise_exception},
      {"strftime_now", strftime_now},
  };
  for (const auto& [name, function] : kFunctions) {
    WEFT_TRY(auto value, runtime.callable(cat("function ", name), 0, function));
    scope.variables[name] = std::move(value);
  }
  return {};
}

Result<std::string> format_time(const Runtime& runtime, std::string_view format,
                                int64_t unix_time) {
  static constexpr std::string_view kConversions = "aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%";
  const time_t seconds = time_t(unix_time);
  std::tm parts{};
  if (!::gmtime_r(&seconds, &parts)) return runtime.fail("the time is out of range");
  std::string out;
  for (size_t at = 0; at < format.size(); ++at) {
    const bool bare = format[at] == '%' && at + 2 < format.size() && format[at + 1] == '-';
    const char letter = format[at] != '%'          ? '\0'
                        : bare                     ? format[at + 2]
                        : at + 1 < format.size()   ? format[at + 1]
                                                   : '\0';
    if (letter == '\0' || kConversions.find(letter) == std::string_view::npos) {
      out += format[at];
      continue;
    }
    at += bare ? 2 : 1;
    WEFT_CHECK(runtime.room(out.size()));
    if (letter == 'z' || letter == 'Z') continue;  // no zone is known
    const char one[] = {'%', letter, '\0'};
    char text[64];
    std::string_view piece(text, std::strftime(text, sizeof text, one, &parts));
    if (bare) {
      while (piece.size() > 1 && (piece[0] == '0' || piece[0] == ' ')) piece.remove_prefix(1);
    }
    out += piece;
  }
  return out;
}

}  // namespace weft::model::jinja

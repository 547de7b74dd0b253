// Of methods.h: what Python's str can do.
#include <algorithm>
#include <optional>

#include "base/text.h"
#include "model/template/access.h"
#include "model/template/format.h"
#include "model/template/methods.h"
#include "model/template/unicode.h"

namespace weft::model::jinja {
namespace {

using Text = std::string_view;

template <std::string (*kChange)(std::string_view)>
Result<Value> changed(Runtime& runtime, const Value& self, const Bound&, const Arguments&) {
  return runtime.string(kChange(self.text()));
}

Result<Value> title_case(Runtime& runtime, const Value& self, const Bound&, const Arguments&) {
  return runtime.string(title(self.text(), false));
}

template <Side kSide>
Result<Value> stripped(Runtime& runtime, const Value& self, const Bound& bound, const Arguments&) {
  std::optional<Text> chars;
  if (bound[0] && !bound[0]->is(Kind::kNone)) {
    WEFT_TRY(chars, bound.text(runtime, 0, ""));
    // Every character at a side is looked for in `chars`.
    WEFT_CHECK(runtime.touch_bytes(self.text().size()));
    if (chars->size() > 64) {
      WEFT_CHECK(runtime.step(self.text().size() * (chars->size() / 64)));
    }
  }
  return runtime.string(std::string(strip(self.text(), kSide, chars)));
}

template <bool kStart>
Result<Value> has_affix(Runtime& runtime, const Value& self, const Bound& bound,
                        const Arguments&) {
  const auto matches = [&](const Value& affix) -> Result<bool> {
    if (!affix.is(Kind::kString)) {
      return runtime.fail(cat(kStart ? "startswith" : "endswith",
                              " first arg must be str or a tuple of str, not ", type_name(affix)));
    }
    const Text text = self.text();
    return kStart ? text.starts_with(affix.text()) : text.ends_with(affix.text());
  };
  const Value& affix = *bound[0];
  if (affix.is(Kind::kUndefined)) return runtime.undefined_error(affix);
  if (!affix.is(Kind::kSequence) || affix.sequence().flavor != Flavor::kTuple) {
    WEFT_TRY(const bool found, matches(affix));
    return Value::boolean(found);
  }
  for (const Value& one : affix.items()) {
    WEFT_CHECK(runtime.touch(one));
    WEFT_TRY(const bool found, matches(one));
    if (found) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <bool kStart>
Result<Value> without_affix(Runtime& runtime, const Value& self, const Bound& bound,
                            const Arguments&) {
  WEFT_TRY(const Text affix, bound.text(runtime, 0, ""));
  Text text = self.text();
  if (kStart && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (!kStart && text.ends_with(affix)) text.remove_suffix(affix.size());
  return runtime.string(std::string(text));
}

// Makes a list of strings, each a part of another.
Result<Value> parts(Runtime& runtime, const std::vector<Text>& texts,
                    Flavor flavor = Flavor::kList) {
  std::vector<Value> values;
  for (const Text text : texts) {
    WEFT_CHECK(runtime.step());
    WEFT_TRY(auto value, runtime.string(std::string(text)));
    values.push_back(std::move(value));
  }
  return runtime.list(std::move(values), flavor);
}

// Words between white space; at most `limit` cuts, from the right if `from_right`.
std::vector<Text> words(Text text, uint64_t limit, bool from_right) {
  std::vector<Text> found;
  const Text whole = text;
  text = strip(text, Side::kLeft);
  while (!text.empty() && (from_right || found.size() < limit)) {
    size_t cut = text.size();
    for (size_t offset = 0; offset < text.size();) {
      const size_t at = offset;
      if (!is_space(decode_at(text, offset))) continue;
      cut = at;
      break;
    }
    found.push_back(text.substr(0, cut));
    text = strip(text.substr(cut), Side::kLeft);
  }
  if (!text.empty()) found.push_back(text);
  if (from_right && limit < found.size() &&
      found.size() - limit > 1) {  // what is left of the last cut stays one piece
    const Text& last_kept_whole = found[found.size() - limit - 1];
    const Text head(whole.data(),
                    size_t(last_kept_whole.data() + last_kept_whole.size() - whole.data()));
    found.erase(found.begin(), found.end() - ptrdiff_t(limit) - 1);
    found.front() = head;
  }
  return found;
}

std::vector<Text> pieces(Text text, Text separator, uint64_t limit, bool from_right) {
  std::vector<size_t> cuts;
  for (size_t at = find_text(text, separator); at != Text::npos;
       at = find_text(text, separator, at + separator.size())) {
    cuts.push_back(at);
    if (!from_right && cuts.size() == limit) break;
  }
  // Occurrences are counted from the left here too; that differs from Python only for a separator
  // that overlaps itself ("aa" in "aaa").
  if (from_right && cuts.size() > limit) cuts.erase(cuts.begin(), cuts.end() - ptrdiff_t(limit));
  std::vector<Text> found;
  size_t start = 0;
  for (const size_t cut : cuts) {
    found.push_back(text.substr(start, cut - start));
    start = cut + separator.size();
  }
  found.push_back(text.substr(start));
  return found;
}

template <bool kFromRight>
Result<Value> split_text(Runtime& runtime, const Value& self, const Bound& bound,
                         const Arguments&) {
  WEFT_TRY(const int64_t limit_wanted, bound.integer(runtime, 1, -1));
  const uint64_t limit = limit_wanted < 0 ? UINT64_MAX : uint64_t(limit_wanted);
  const Text text = self.text();
  if (!bound[0] || bound[0]->is(Kind::kNone)) {
    WEFT_CHECK(runtime.room(text.size() / 2 * sizeof(Text)));
    return parts(runtime, words(text, limit, kFromRight));
  }
  WEFT_TRY(const Text separator, bound.text(runtime, 0, ""));
  if (separator.empty()) return runtime.fail("empty separator");
  if (limit == 0) return parts(runtime, {text});
  WEFT_CHECK(runtime.room(text.size() / separator.size() * sizeof(Text)));
  return parts(runtime, pieces(text, separator, limit, kFromRight));
}

Result<Value> lines(Runtime& runtime, const Value& self, const Bound& bound, const Arguments&) {
  if (bound.truth(0, false)) return runtime.fail("splitlines with line ends is not supported");
  WEFT_CHECK(runtime.room(self.text().size() * sizeof(Text)));
  return parts(runtime, split_lines(self.text()));
}

template <bool kFromRight>
Result<Value> partitioned(Runtime& runtime, const Value& self, const Bound& bound,
                          const Arguments&) {
  WEFT_TRY(const Text separator, bound.text(runtime, 0, ""));
  if (separator.empty()) return runtime.fail("empty separator");
  const Text text = self.text();
  const size_t at = kFromRight ? rfind_text(text, separator) : find_text(text, separator);
  if (at == Text::npos) {
    return kFromRight ? parts(runtime, {"", "", text}, Flavor::kTuple)
                      : parts(runtime, {text, "", ""}, Flavor::kTuple);
  }
  return parts(runtime, {text.substr(0, at), separator, text.substr(at + separator.size())},
               Flavor::kTuple);
}

template <bool kFromRight, bool kMustBe>
Result<Value> position(Runtime& runtime, const Value& self, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Text needle, bound.text(runtime, 0, ""));
  const Text text = self.text();
  const size_t at = kFromRight ? rfind_text(text, needle) : find_text(text, needle);
  if (at == Text::npos) {
    if (kMustBe) return runtime.fail("substring not found");
    return Value::integer(-1);
  }
  return Value::integer(int64_t(code_point_count(text.substr(0, at))));
}

Result<Value> occurrences(Runtime& runtime, const Value& self, const Bound& bound,
                          const Arguments&) {
  WEFT_TRY(const Text needle, bound.text(runtime, 0, ""));
  return Value::integer(int64_t(count_text(self.text(), needle)));
}

Result<Value> replaced(Runtime& runtime, const Value& self, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Text from, bound.text(runtime, 0, ""));
  WEFT_TRY(const Text to, bound.text(runtime, 1, ""));
  WEFT_TRY(const int64_t limit, bound.integer(runtime, 2, -1));
  return replace_text(runtime, self.text(), from, to, limit);
}

Result<Value> joined(Runtime& runtime, const Value& self, const Bound& bound, const Arguments&) {
  WEFT_TRY(const Value items, iterate(runtime, *bound[0]));
  std::string text;
  for (size_t i = 0; i < items.items().size(); ++i) {
    const Value& item = items.items()[i];
    if (!item.is(Kind::kString)) {
      return runtime.fail(
          cat("sequence item ", i, ": expected str instance, ", type_name(item), " found"));
    }
    WEFT_CHECK(runtime.touch(item));
    WEFT_CHECK(runtime.touch(self));
    WEFT_CHECK(runtime.room(text.size() + item.text().size() + self.text().size()));
    if (i > 0) text += self.text();
    text += item.text();
  }
  return runtime.string(std::move(text));
}

// How the text lies within the padding.
enum class Place { kLeft, kCenter, kRight };
template <Place kPlace>
Result<Value> padded(Runtime& runtime, const Value& self, const Bound& bound, const Arguments&) {
  WEFT_TRY(const int64_t width, bound.integer(runtime, 0, 0));
  WEFT_TRY(const Text fill, bound.text(runtime, 1, " "));
  if (code_point_count(fill) != 1) return runtime.fail("the fill must be exactly one character");
  const int64_t size = int64_t(code_point_count(self.text()));
  if (width <= size) return self;
  const uint64_t missing = uint64_t(width - size);
  WEFT_CHECK(runtime.room(missing));  // first: the product below must not wrap
  WEFT_CHECK(runtime.room(missing * fill.size() + self.text().size()));
  // Python gives the odd space to the left where the width is odd.
  const uint64_t left = kPlace == Place::kLeft    ? 0
                        : kPlace == Place::kRight ? missing
                                                  : missing / 2 + (missing & uint64_t(width) & 1);
  std::string text;
  for (uint64_t i = 0; i < left; ++i) text += fill;
  text += self.text();
  for (uint64_t i = left; i < missing; ++i) text += fill;
  return runtime.string(std::move(text));
}

Result<Value> zero_filled(Runtime& runtime, const Value& self, const Bound& bound,
                          const Arguments&) {
  WEFT_TRY(const int64_t width, bound.integer(runtime, 0, 0));
  const int64_t size = int64_t(code_point_count(self.text()));
  if (width <= size) return self;
  WEFT_CHECK(runtime.room(uint64_t(width - size)));
  std::string text = self.text();
  const bool has_sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  text.insert(has_sign ? 1 : 0, size_t(width - size), '0');
  return runtime.string(std::move(text));
}

// True if the text is not empty and every code point is of a kind.
template <bool (*kIs)(char32_t)>
Result<Value> all_are(Runtime&, const Value& self, const Bound&, const Arguments&) {
  const Text text = self.text();
  for (size_t offset = 0; offset < text.size();) {
    if (!kIs(decode_at(text, offset))) return Value::boolean(false);
  }
  return Value::boolean(!text.empty());
}

bool is_alphanumeric(char32_t c) { return is_alpha(c) || is_digit(c); }

// True if some letter is of the case and none of the other.
template <bool kUpper>
Result<Value> cased(Runtime&, const Value& self, const Bound&, const Arguments&) {
  const Text text = self.text();
  bool seen = false;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t c = decode_at(text, offset);
    if (kUpper ? is_lower(c) : is_upper(c)) return Value::boolean(false);
    seen |= kUpper ? is_upper(c) : is_lower(c);
  }
  return Value::boolean(seen);
}

Result<Value> is_ascii(Runtime&, const Value& self, const Bound&, const Arguments&) {
  const std::string& text = self.text();
  return Value::boolean(
      std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x80; }));
}

Result<Value> formatted(Runtime& runtime, const Value& self, const Bound&, const Arguments& raw) {
  return format_braces(runtime, self.text(), raw);
}

}  // namespace

Result<Value> replace_text(Runtime& runtime, Text text, Text from, Text to, int64_t limit) {
  uint64_t left = limit < 0 ? UINT64_MAX : uint64_t(limit);
  const uint64_t count = std::min<uint64_t>(count_text(text, from), left);
  if (to.size() > from.size()) {
    const uint64_t growth = to.size() - from.size();
    if (count > runtime.limits().value_bytes / growth) WEFT_CHECK(runtime.room(UINT64_MAX));
    WEFT_CHECK(runtime.room(text.size() + count * growth));
    WEFT_CHECK(runtime.touch_bytes(count * growth));
  }
  WEFT_CHECK(runtime.touch_items(count));
  std::string out;
  size_t at = 0;
  for (; left > 0; --left) {
    const size_t found = find_text(text, from, at);
    if (found == Text::npos) break;
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    if (!from.empty()) continue;
    if (at == text.size()) break;  // an empty one matches before every character, and at the end
    const size_t begin = at;
    decode_at(text, at);
    out += text.substr(begin, at - begin);
  }
  if (at < text.size()) out += text.substr(at);
  return runtime.string(std::move(out));
}

const std::vector<MethodEntry>& string_methods() {
  static const std::vector<MethodEntry> methods = {
      {"strip", {"chars?"}, stripped<Side::kBoth>},
      {"lstrip", {"chars?"}, stripped<Side::kLeft>},
      {"rstrip", {"chars?"}, stripped<Side::kRight>},
      {"split", {"sep?", "maxsplit?"}, split_text<false>},
      {"rsplit", {"sep?", "maxsplit?"}, split_text<true>},
      {"startswith", {"prefix"}, has_affix<true>},
      {"endswith", {"suffix"}, has_affix<false>},
      {"replace", {"old", "new", "count?"}, replaced},
      {"upper", {}, changed<to_upper>},
      {"lower", {}, changed<to_lower>},
      {"casefold", {}, changed<to_lower>},
      {"capitalize", {}, changed<capitalize>},
      {"title", {}, title_case},
      {"join", {"iterable"}, joined},
      {"find", {"sub"}, position<false, false>},
      {"rfind", {"sub"}, position<true, false>},
      {"index", {"sub"}, position<false, true>},
      {"rindex", {"sub"}, position<true, true>},
      {"count", {"sub"}, occurrences},
      {"splitlines", {"keepends?"}, lines},
      {"partition", {"sep"}, partitioned<false>},
      {"rpartition", {"sep"}, partitioned<true>},
      {"removeprefix", {"prefix"}, without_affix<true>},
      {"removesuffix", {"suffix"}, without_affix<false>},
      {"ljust", {"width", "fillchar?"}, padded<Place::kLeft>},
      {"rjust", {"width", "fillchar?"}, padded<Place::kRight>},
      {"center", {"width", "fillchar?"}, padded<Place::kCenter>},
      {"zfill", {"width"}, zero_filled},
      {"isalpha", {}, all_are<is_alpha>},
      {"isdigit", {}, all_are<is_digit>},
      {"isdecimal", {}, all_are<is_digit>},
      {"isnumeric", {}, all_are<is_digit>},
      {"isalnum", {}, all_are<is_alphanumeric>},
      {"isspace", {}, all_are<is_space>},
      {"isupper", {}, cased<true>},
      {"islower", {}, cased<false>},
      {"isascii", {}, is_ascii},
      {"format", {"*"}, formatted},
  };
  return methods;
}

}  // namespace weft::model::jinja

#include "model/template/write.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "model/template/unicode.h"

namespace weft::model::jinja {
namespace {

void append_hex(std::string& out, const char* prefix, int width, uint32_t number) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%0*x", width, unsigned(number));
  out += prefix;
  out += digits;
}

// Appends text in pieces and asks the runtime for steps and room as it grows, so that a value that
// holds one part many times over cannot print more than the limits allow.
class Writer {
 public:
  explicit Writer(Runtime& runtime) : runtime_(runtime) {}
  std::string take() { return std::move(out_); }

 protected:
  Result<> item() {
    WEFT_CHECK(runtime_.step());
    return runtime_.room(out_.size());
  }
  Result<> deeper() const {
    if (depth_ <= runtime_.limits().depth) return {};
    return Error(ErrorCode::kExhausted, cat("template line ", runtime_.line(),
                                            ": a value to be printed nests too deeply"));
  }
  Result<> text(const std::string& value) {
    WEFT_CHECK(runtime_.touch_bytes(value.size()));
    return runtime_.room(out_.size() + value.size());
  }

  Runtime& runtime_;
  std::string out_;
  uint32_t depth_ = 0;
};

class ReprWriter : public Writer {
 public:
  using Writer::Writer;

  Result<> write(const Value& value) {
    WEFT_CHECK(item());
    switch (value.kind()) {
      case Kind::kUndefined: out_ += "Undefined"; return {};
      case Kind::kNone: out_ += "None"; return {};
      case Kind::kBool: out_ += value.as_bool() ? "True" : "False"; return {};
      case Kind::kInt: out_ += std::to_string(value.as_int()); return {};
      case Kind::kFloat: out_ += float_text(value.as_double()); return {};
      case Kind::kString:
        WEFT_CHECK(text(value.text()));
        out_ += quote_text(value.text());
        return {};
      case Kind::kSequence: return sequence(value.sequence());
      case Kind::kDict: return entries(value.dict().dict);
      case Kind::kNamespace: {
        out_ += "<Namespace ";
        WEFT_CHECK(entries(value.ns().attributes));
        out_ += ">";
        return {};
      }
      case Kind::kLoop:
        out_ += cat("<LoopContext ", value.loop().index + 1, "/",
                    value.loop().sequence->items.size(), ">");
        return {};
      case Kind::kCallable: out_ += cat("<", value.callable().description, ">"); return {};
    }
    return {};
  }

 private:
  Result<> items(const char* open, const std::vector<Value>& values, const char* close) {
    ++depth_;
    WEFT_CHECK(deeper());
    out_ += open;
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out_ += ", ";
      WEFT_CHECK(write(values[i]));
    }
    out_ += close;
    --depth_;
    return {};
  }

  Result<> sequence(const SequenceBody& body) {
    switch (body.flavor) {
      case Flavor::kList: return items("[", body.items, "]");
      case Flavor::kTuple: return items("(", body.items, body.items.size() == 1 ? ",)" : ")");
      case Flavor::kGenerator: out_ += "<generator object>"; return {};
      case Flavor::kRange: out_ += range(body.items); return {};
      case Flavor::kDictKeys: return items("dict_keys([", body.items, "])");
      case Flavor::kDictValues: return items("dict_values([", body.items, "])");
      case Flavor::kDictItems: return items("dict_items([", body.items, "])");
    }
    return {};
  }

  // The canonical range of these numbers; Python prints the bounds it was given.
  static std::string range(const std::vector<Value>& numbers) {
    if (numbers.empty()) return "range(0, 0)";
    const int64_t first = numbers.front().as_int(), last = numbers.back().as_int();
    const int64_t step = numbers.size() > 1 ? numbers[1].as_int() - first : 1;
    if (step == 1) return cat("range(", first, ", ", last + 1, ")");
    return cat("range(", first, ", ", last + (step > 0 ? 1 : -1), ", ", step, ")");
  }

  Result<> entries(const Dict& dict) {
    ++depth_;
    WEFT_CHECK(deeper());
    out_ += '{';
    bool first = true;
    for (const Dict::Entry& entry : dict.entries()) {
      if (!first) out_ += ", ";
      first = false;
      WEFT_CHECK(write(entry.key));
      out_ += ": ";
      WEFT_CHECK(write(entry.value));
    }
    out_ += '}';
    --depth_;
    return {};
  }
};

class JsonWriter : public Writer {
 public:
  JsonWriter(Runtime& runtime, const JsonStyle& style) : Writer(runtime), style_(style) {}

  Result<> write(const Value& value) {
    WEFT_CHECK(item());
    switch (value.kind()) {
      case Kind::kNone:
      case Kind::kBool:
      case Kind::kInt:
      case Kind::kFloat: out_ += scalar(value); return {};
      case Kind::kString: return string(value.text());
      case Kind::kSequence:
        if (value.sequence().flavor > Flavor::kTuple) break;
        return array(value.items());
      case Kind::kDict: return object(value.dict().dict);
      default: break;
    }
    return runtime_.fail(
        cat("Object of type ", type_name(value), " is not JSON serializable"));
  }

 private:
  static std::string scalar(const Value& value) {
    if (value.is(Kind::kNone)) return "null";
    if (value.is(Kind::kBool)) return value.as_bool() ? "true" : "false";
    if (value.is(Kind::kInt)) return std::to_string(value.as_int());
    const double number = value.as_double();
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    return float_text(number);
  }

  Result<> string(const std::string& value) {
    WEFT_CHECK(text(value));
    out_ += '"';
    for (size_t offset = 0; offset < value.size();) {
      const size_t start = offset;
      const char32_t c = decode_at(value, offset);
      switch (c) {
        case '"': out_ += "\\\""; break;
        case '\\': out_ += "\\\\"; break;
        case '\n': out_ += "\\n"; break;
        case '\r': out_ += "\\r"; break;
        case '\t': out_ += "\\t"; break;
        case '\b': out_ += "\\b"; break;
        case '\f': out_ += "\\f"; break;
        default:
          if (c < 0x20 || (style_.ascii && c >= 0x7F && c < 0x10000)) {
            append_hex(out_, "\\u", 4, c);
          } else if (style_.ascii && c >= 0x10000) {
            append_hex(out_, "\\u", 4, 0xD800 + ((c - 0x10000) >> 10));
            append_hex(out_, "\\u", 4, 0xDC00 + ((c - 0x10000) & 0x3FF));
          } else {
            out_.append(value, start, offset - start);
          }
      }
    }
    out_ += '"';
    return {};
  }

  Result<> line_break() {
    if (style_.indent < 0) return {};
    const uint64_t spaces = uint64_t(style_.indent) * depth_;
    WEFT_CHECK(runtime_.room(out_.size() + spaces));
    WEFT_CHECK(runtime_.touch_bytes(spaces));
    out_ += '\n';
    out_.append(spaces, ' ');
    return {};
  }

  Result<> array(const std::vector<Value>& values) {
    if (values.empty()) {
      out_ += "[]";
      return {};
    }
    out_ += '[';
    ++depth_;
    WEFT_CHECK(deeper());
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      WEFT_CHECK(line_break());
      WEFT_CHECK(write(values[i]));
    }
    --depth_;
    WEFT_CHECK(line_break());
    out_ += ']';
    return {};
  }

  Result<std::string> key_text(const Value& key) const {
    if (key.is(Kind::kString)) return key.text();
    if (key.is(Kind::kNone) || key.is_number()) return scalar(key);
    return runtime_.fail(cat("keys must be str, int, float, bool or None, not ", type_name(key)));
  }

  Result<> object(const Dict& dict) {
    if (dict.entries().empty()) {
      out_ += "{}";
      return {};
    }
    std::vector<std::pair<std::string, const Value*>> members;
    for (const Dict::Entry& entry : dict.entries()) {
      WEFT_TRY(std::string key, key_text(entry.key));
      members.emplace_back(std::move(key), &entry.value);
    }
    if (style_.sort_keys) {
      std::stable_sort(members.begin(), members.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    out_ += '{';
    ++depth_;
    WEFT_CHECK(deeper());
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      WEFT_CHECK(line_break());
      WEFT_CHECK(string(members[i].first));
      out_ += style_.key_separator;
      WEFT_CHECK(write(*members[i].second));
    }
    --depth_;
    WEFT_CHECK(line_break());
    out_ += '}';
    return {};
  }

  const JsonStyle& style_;
};

}  // namespace

Result<std::string> to_text(Runtime& runtime, const Value& value) {
  if (value.is(Kind::kString)) {
    WEFT_CHECK(runtime.touch(value));
    return value.text();
  }
  if (value.is(Kind::kUndefined)) return std::string();
  return to_repr(runtime, value);
}

Result<std::string> to_repr(Runtime& runtime, const Value& value) {
  ReprWriter writer(runtime);
  WEFT_CHECK(writer.write(value));
  return writer.take();
}

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  char buffer[64];
  const double size = std::abs(number);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, format).ptr;
  std::string text(buffer, end);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string quote_text(std::string_view text) {
  const bool doubled = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = doubled ? '"' : '\'';
  std::string out(1, quote);
  for (size_t offset = 0; offset < text.size();) {
    const size_t start = offset;
    const char32_t c = decode_at(text, offset);
    if (c == char32_t(quote) || c == '\\') {
      out += '\\';
      out += char(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      out += text.substr(start, offset - start);
    } else if (c < 0x100) {
      append_hex(out, "\\x", 2, c);
    } else {
      append_hex(out, c < 0x10000 ? "\\u" : "\\U", c < 0x10000 ? 4 : 8, c);
    }
  }
  out += quote;
  return out;
}

Result<std::string> to_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonWriter writer(runtime, style);
  WEFT_CHECK(writer.write(value));
  return writer.take();
}

}  // namespace weft::model::jinja

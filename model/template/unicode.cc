#include "model/template/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

namespace weft::model::jinja {
namespace {

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(utf8proc_int32_t(code_point));
}

void append_upper(std::string& out, char32_t code_point) {
  if (code_point < 0x80) {
    out += code_point >= 'a' && code_point <= 'z' ? char(code_point - 0x20) : char(code_point);
  } else if (code_point == 0xDF) {
    out += "SS";
  } else {
    append_code_point(out, char32_t(utf8proc_toupper(utf8proc_int32_t(code_point))));
  }
}

void append_lower(std::string& out, char32_t code_point) {
  if (code_point < 0x80) {
    out += code_point >= 'A' && code_point <= 'Z' ? char(code_point + 0x20) : char(code_point);
    return;
  }
  append_code_point(out, char32_t(utf8proc_tolower(utf8proc_int32_t(code_point))));
}

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

// The offset of the code point that ends at byte `end` (> 0).
size_t previous(std::string_view text, size_t end) {
  do --end;
  while (end > 0 && (uint8_t(text[end]) & 0xC0) == 0x80);
  return end;
}

}  // namespace

char32_t decode_at(std::string_view text, size_t& offset) {
  const uint8_t first = uint8_t(text[offset++]);
  if (first < 0x80) return first;
  const int following = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t code_point = first & (0x3F >> following);
  for (int i = 0; i < following && offset < text.size(); ++i) {
    code_point = (code_point << 6) | (uint8_t(text[offset++]) & 0x3F);
  }
  return code_point;
}

void append_code_point(std::string& out, char32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = 0xFFFD;
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | (c >> 6));
    out += char(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += char(0xE0 | (c >> 12));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  } else {
    out += char(0xF0 | (c >> 18));
    out += char(0x80 | ((c >> 12) & 0x3F));
    out += char(0x80 | ((c >> 6) & 0x3F));
    out += char(0x80 | (c & 0x3F));
  }
}

size_t code_point_count(std::string_view text) {
  return size_t(std::count_if(text.begin(), text.end(),
                              [](char c) { return (uint8_t(c) & 0xC0) != 0x80; }));
}

size_t byte_offset(std::string_view text, size_t index) {
  size_t offset = 0;
  for (; offset < text.size(); ++offset) {
    if ((uint8_t(text[offset]) & 0xC0) == 0x80) continue;
    if (index == 0) break;
    --index;
  }
  return offset;
}

std::vector<std::string_view> code_points(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t offset = 0; offset < text.size();) {
    const size_t start = offset;
    decode_at(text, offset);
    parts.push_back(text.substr(start, offset - start));
  }
  return parts;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL; }

bool is_alpha(char32_t c) {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> chars) {
  const auto goes = [&](std::string_view character) {
    if (chars) return chars->find(character) != std::string_view::npos;
    size_t offset = 0;
    return is_space(decode_at(character, offset));
  };
  size_t begin = 0, end = text.size();
  while (side != Side::kRight && begin < end) {
    size_t next = begin;
    decode_at(text, next);
    if (!goes(text.substr(begin, next - begin))) break;
    begin = next;
  }
  while (side != Side::kLeft && end > begin) {
    const size_t last = previous(text, end);
    if (!goes(text.substr(last, end - last))) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

std::string to_upper(std::string_view text) {
  std::string out;
  for (size_t offset = 0; offset < text.size();) append_upper(out, decode_at(text, offset));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  for (size_t offset = 0; offset < text.size();) append_lower(out, decode_at(text, offset));
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  for (size_t offset = 0; offset < text.size();) {
    const bool first = offset == 0;
    const char32_t c = decode_at(text, offset);
    if (first) {
      append_upper(out, c);
    } else {
      append_lower(out, c);
    }
  }
  return out;
}

std::string title(std::string_view text, bool by_separators) {
  std::string out;
  bool starts = true;
  for (size_t offset = 0; offset < text.size();) {
    const char32_t c = decode_at(text, offset);
    if (starts) {
      append_upper(out, c);
    } else {
      append_lower(out, c);
    }
    starts = by_separators
                 ? is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<'
                 : !is_alpha(c);
  }
  return out;
}

size_t find_text(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (needle.empty()) return from;
  // memmem is the two-way algorithm in the C libraries we build on.
  const void* at = ::memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return at ? size_t(static_cast<const char*>(at) - text.data()) : std::string_view::npos;
}

size_t rfind_text(std::string_view text, std::string_view needle) {
  const std::string reversed_text(text.rbegin(), text.rend());
  const std::string reversed_needle(needle.rbegin(), needle.rend());
  const size_t at = find_text(reversed_text, reversed_needle);
  return at == std::string_view::npos ? at : text.size() - at - needle.size();
}

size_t count_text(std::string_view text, std::string_view needle) {
  if (needle.empty()) return code_point_count(text) + 1;
  size_t count = 0;
  for (size_t at = find_text(text, needle); at != std::string_view::npos;
       at = find_text(text, needle, at + needle.size())) {
    ++count;
  }
  return count;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t offset = 0; offset < text.size();) {
    const size_t at = offset;
    const char32_t c = decode_at(text, offset);
    if (!is_line_end(c)) continue;
    if (c == '\r' && offset < text.size() && text[offset] == '\n') ++offset;
    lines.push_back(text.substr(start, at - start));
    start = offset;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace weft::model::jinja

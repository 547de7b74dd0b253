#include "base/text.h"

#include <cmath>
#include <cstdio>

namespace weft {
namespace {

struct Decoded {
  int length = 0;         // bytes of a whole, well-formed character; 0 otherwise
  bool unfinished = false;  // well-formed so far, but the text ends within the character
};

// Decodes the character at the start of `text` (not empty) by the table of RFC 3629, section 4.
Decoded decode_one(std::string_view text) {
  const auto byte = [&](size_t i) { return uint8_t(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {1, false};
  int length;
  uint8_t low = 0x80, high = 0xBF;  // bounds of the second byte
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return {};
  }
  for (int i = 1; i < length; ++i) {
    if (size_t(i) == text.size()) return {0, true};
    if (byte(i) < low || byte(i) > high) return {};
    low = 0x80;
    high = 0xBF;
  }
  return {length, false};
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (true) {
    const size_t end = text.find(separator, start);
    parts.emplace_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

std::string_view trim(std::string_view text) {
  const char* kSpace = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<uint64_t> parse_u64(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error(ErrorCode::kInvalid, cat("'", text, "' is not a whole number that fits 64 bits"));
  }
  return value;
}

Result<double> parse_double(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return Error(ErrorCode::kInvalid, cat("'", text, "' is not a number"));
  }
  return value;
}

Result<uint64_t> parse_bytes(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789.");
  const std::string_view unit = digits == std::string_view::npos ? "" : text.substr(digits);
  WEFT_TRY(const double number, parse_double(text.substr(0, digits)));
  int shift = -1;
  if (unit.empty() || unit == "B") shift = 0;
  const std::string_view kUnits = "KMGT";
  if (!unit.empty() && kUnits.find(unit[0]) != std::string_view::npos &&
      (unit.size() == 1 || unit.substr(1) == "B" || unit.substr(1) == "iB")) {
    shift = 10 * (int(kUnits.find(unit[0])) + 1);
  }
  const double bytes = std::ldexp(number, shift);
  if (shift < 0 || bytes >= 9e18) {
    return Error(ErrorCode::kInvalid, cat("'", text, "' is not a size; write 512M or 1.5G"));
  }
  return uint64_t(bytes);
}

std::string format_bytes(uint64_t bytes) {
  const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value,
                kUnits[unit]);
  return text;
}

bool is_utf8(std::string_view text) { return utf8_complete_prefix(text) == text.size(); }

size_t utf8_complete_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Decoded one = decode_one(text.substr(at));
    if (one.length == 0) break;
    at += size_t(one.length);
  }
  return at;
}

std::string utf8_sanitize(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Decoded one = decode_one(text.substr(at));
    if (one.length == 0) {
      out += "\xEF\xBF\xBD";
      ++at;
    } else {
      out += text.substr(at, size_t(one.length));
      at += size_t(one.length);
    }
  }
  return out;
}

std::string printable(std::string_view text, size_t limit) {
  const std::string clean = utf8_sanitize(text);
  std::string out;
  for (size_t at = 0; at < clean.size();) {
    const size_t length = size_t(decode_one(std::string_view(clean).substr(at)).length);
    if (out.size() + length > limit) break;
    const uint8_t first = uint8_t(clean[at]);
    const bool c1_control = first == 0xC2 && uint8_t(clean[at + 1]) < 0xA0;
    if (first < 0x20 || first == 0x7F || c1_control) {
      out += '?';
    } else {
      out.append(clean, at, length);
    }
    at += length;
  }
  return out;
}

}  // namespace weft

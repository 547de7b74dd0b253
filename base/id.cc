#include "base/id.h"

#include "base/text.h"

namespace weft {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string hex_number(uint64_t value) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = uint8_t(value >> (56 - 8 * i));
  return hex(bytes, sizeof bytes);
}

}  // namespace

std::string hex(const uint8_t* bytes, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * size);
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

Result<> parse_hex(std::string_view text, uint8_t* bytes, size_t size) {
  if (text.size() != 2 * size) {
    return Error(ErrorCode::kInvalid, cat("expected ", 2 * size, " hexadecimal digits, got ",
                                          text.size(), " characters"));
  }
  for (size_t i = 0; i < size; ++i) {
    const int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return Error(ErrorCode::kInvalid, cat("not a hexadecimal digit at position ", 2 * i));
    }
    bytes[i] = uint8_t(high << 4 | low);
  }
  return {};
}

std::string to_string(SessionId id) { return hex_number(id.value); }
std::string to_string(Epoch epoch) { return std::to_string(epoch.value); }

}  // namespace weft

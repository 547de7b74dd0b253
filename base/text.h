// Text: joining, parsing numbers from users, sizes and durations for people, UTF-8 checks.
#pragma once

#include <charconv>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

// cat("tensor ", name, " needs ", 12): the arguments as one string, numbers by operator<<.
template <typename... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return std::move(stream).str();
}

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// Whole-string numbers; kInvalid with the text quoted if there is anything else or it overflows.
Result<uint64_t> parse_u64(std::string_view text);
Result<double> parse_double(std::string_view text);
// "512", "64K", "1.5G", "2GiB": bytes, binary multiples.
Result<uint64_t> parse_bytes(std::string_view text);
// "1.5 GiB", "812 KiB", "17 B".
std::string format_bytes(uint64_t bytes);

// True if `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates).
bool is_utf8(std::string_view text);
// How many leading bytes of `text` are whole, well-formed characters; what follows is either an
// unfinished character (finished by later bytes) or malformed.
size_t utf8_complete_prefix(std::string_view text);
// Replaces each malformed byte by U+FFFD.
std::string utf8_sanitize(std::string_view text);
// Replaces control characters, so that a name from a peer cannot drive a terminal; cuts at `limit`
// bytes on a character boundary.
std::string printable(std::string_view text, size_t limit = 80);

}  // namespace weft

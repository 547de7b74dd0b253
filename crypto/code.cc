#include "crypto/code.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kSymbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kBitsMax = 320;
constexpr size_t kTextMax = 400;  // what a person may paste, with its dashes and spaces
constexpr size_t kGroup = 4;

// A symbol's value, or -1.
int symbol_value(char c) {
  if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  if (c == 'O') c = '0';
  if (c == 'I' || c == 'L') c = '1';
  const size_t at = kSymbols.find(c);
  return at == std::string_view::npos ? -1 : int(at);
}

// Payload, then the check bits, as a run of bits with the first bit highest. Wiped at the end.
class Bits {
 public:
  Bits() = default;
  Bits(const Bits&) = delete;
  Bits& operator=(const Bits&) = delete;
  ~Bits() { wipe(bytes_); }

  void set(size_t first, size_t count, uint32_t value) {
    for (size_t i = 0; i < count; ++i) {
      const uint8_t bit = value >> (count - 1 - i) & 1;
      const size_t at = first + i;
      bytes_[at / 8] = uint8_t(bytes_[at / 8] | bit << (7 - at % 8));
    }
  }
  uint32_t get(size_t first, size_t count) const {
    uint32_t value = 0;
    for (size_t at = first; at < first + count; ++at) {
      value = value << 1 | (bytes_[at / 8] >> (7 - at % 8) & 1);
    }
    return value;
  }
  std::span<uint8_t> bytes() { return bytes_; }

 private:
  std::array<uint8_t, kBitsMax / 8> bytes_{};
};

uint32_t check_of(const CodeFormat& format, ByteView payload) {
  const Digest digest = Hasher().update(as_bytes(format.domain)).update(payload).finish();
  const uint32_t first = uint32_t(digest.bytes[0]) << 24 | uint32_t(digest.bytes[1]) << 16 |
                         uint32_t(digest.bytes[2]) << 8 | digest.bytes[3];
  return first >> (32 - format.check_bits);
}

void assert_format(const CodeFormat& format) {
  const size_t bits = format.payload_bytes * 8 + format.check_bits;
  WEFT_ASSERT(bits % (5 * kGroup) == 0 && bits <= kBitsMax);
  WEFT_ASSERT(format.check_bits >= 1 && format.check_bits <= 32);
}

}  // namespace

std::string encode_code(const CodeFormat& format, ByteView payload) {
  assert_format(format);
  WEFT_ASSERT(payload.size() == format.payload_bytes);
  Bits bits;
  std::copy(payload.begin(), payload.end(), bits.bytes().begin());
  bits.set(payload.size() * 8, format.check_bits, check_of(format, payload));
  std::string text;
  text.reserve(format.symbols() + format.symbols() / kGroup);  // no growth leaves a copy behind
  for (size_t i = 0; i < format.symbols(); ++i) {
    if (i > 0 && i % kGroup == 0) text += '-';
    text += kSymbols[bits.get(5 * i, 5)];
  }
  return text;
}

Result<> decode_code(const CodeFormat& format, std::string_view text, std::span<uint8_t> payload) {
  assert_format(format);
  WEFT_ASSERT(payload.size() == format.payload_bytes);
  const auto invalid = [&](const std::string& why) {
    return Error(ErrorCode::kInvalid, cat("the ", format.what, " ", why));
  };
  if (text.size() > kTextMax) return invalid("is far too long; paste only the code");
  Bits bits;
  size_t count = 0;
  for (const char c : text) {
    if (c == '-' || c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
    const int value = symbol_value(c);
    if (value < 0) {
      return invalid(cat("holds '", printable(std::string_view(&c, 1)), "' after ", count,
                         " good characters; codes have only digits and letters, and never U"));
    }
    if (count < format.symbols()) bits.set(5 * count, 5, uint32_t(value));
    ++count;
  }
  if (count != format.symbols()) {
    return invalid(cat("has ", count, " letters and digits, it should have ", format.symbols(),
                       "; part of it is missing or doubled"));
  }
  const ByteView decoded = bits.bytes().first(format.payload_bytes);
  if (bits.get(decoded.size() * 8, format.check_bits) != check_of(format, decoded)) {
    return invalid("has a typing error; compare it with the screen that shows it");
  }
  std::copy(decoded.begin(), decoded.end(), payload.begin());
  return {};
}

}  // namespace weft::crypto

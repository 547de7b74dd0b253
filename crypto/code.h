// Codes that people read aloud, type and scan: Crockford's base32 in groups of four, with check
// bits so that a typing error is told apart before anything is tried. Source:
// https://www.crockford.com/base32.html (its symbols and its reading of O, I and L; the check is
// ours: leading bits of a BLAKE2b-256).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::crypto {

struct CodeFormat {
  std::string_view what;    // for errors: "join code"
  std::string_view domain;  // what the check bits are bound to
  size_t payload_bytes;
  size_t
      check_bits;  // payload and check bits together are a multiple of 20 (asserted), at most 320

  constexpr size_t symbols() const { return (payload_bytes * 8 + check_bits) / 5; }
};

// 128 bits of secret: seven groups of four.
inline constexpr CodeFormat kJoinCode{"join code", "weft/code/join/1", 16, 12};
// An Ed25519 seed: fourteen groups of four.
inline constexpr CodeFormat kRecoveryCode{"recovery code", "weft/code/recovery/1", 32, 24};

// "7K3M-…": upper case, groups joined by dashes. The text is the secret: show it, then wipe it.
std::string encode_code(const CodeFormat& format, ByteView payload);

// Reads upper and lower case; dashes and spaces anywhere are ignored. kInvalid, in words that say
// what is wrong: how many symbols are there, which one is none, or that one was mistyped.
//   payload  format.payload_bytes (asserted); untouched on an error
Result<> decode_code(const CodeFormat& format, std::string_view text, std::span<uint8_t> payload);

}  // namespace weft::crypto

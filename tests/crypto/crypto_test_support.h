// What the crypto tests share: a fixed date, results unwrapped, one authority with members.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "crypto/authority.h"
#include "crypto/identity.h"
#include "crypto/random.h"
#include "crypto/roster.h"
#include "tests/support/support.h"

namespace weft::crypto::test {

inline constexpr int64_t kNow = 1795253400;  // 2026-11-21 09:30 UTC
inline constexpr int64_t kDay = 24 * 3600;

// The value; a failed test with the message, and the end of the program, for an error.
template <typename T>
T unwrap(Result<T> result) {
  if (!result.ok()) ADD_FAILURE() << result.error().message;
  return std::move(result).value();
}

// True if the result is this error and its message has these words.
template <typename T>
::testing::AssertionResult fails_with(const Result<T>& result, ErrorCode code,
                                      std::string_view words) {
  if (result.ok()) return ::testing::AssertionFailure() << "it succeeded";
  if (result.error().code == code && result.error().message.find(words) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << error_code_name(result.error().code) << ": " << result.error().message;
}

inline MemberFacts facts_of(const Identity& identity, const std::string& name,
                            uint64_t serial = 1) {
  MemberFacts facts;
  facts.serial = serial;
  facts.identity = identity.signing().public_key();
  facts.curve = identity.curve().public_key();
  facts.not_before = kNow;
  facts.not_after = kNow + kCertificateSeconds;
  facts.name = name;
  return facts;
}

// Cuts, extends, or changes up to four bytes of `bytes`.
inline Bytes mutated(Bytes bytes, Random& random) {
  const uint64_t kind = random.below(8);
  if (kind == 0) bytes.resize(random.below(bytes.size() + 1));
  if (kind == 1) bytes.resize(bytes.size() + 1 + random.below(64), uint8_t(random.next()));
  const uint64_t changes = kind <= 1 ? random.below(2) : 1 + random.below(4);
  for (uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
    bytes[random.below(bytes.size())] = uint8_t(random.next());
  }
  return bytes;
}

}  // namespace weft::crypto::test

// Small files of ours: a magic, a payload, and 16 bytes of BLAKE2b-256 over both, so that a cut or
// changed file is told apart from a good one. Not a protection against someone who means harm: the
// folder's modes are that.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::crypto {

inline constexpr size_t kMagicBytes = 5;
inline constexpr size_t kSealBytes = 16;

// Writes the magic before and the check after the payload, which is in its place in `file`:
// file.size() = kMagicBytes + payload + kSealBytes.
void seal(std::string_view magic, std::span<uint8_t> file);

// The payload, viewed in place. kCorrupt for another magic or a wrong check.
Result<ByteView> unseal(std::string_view magic, ByteView file);

}  // namespace weft::crypto

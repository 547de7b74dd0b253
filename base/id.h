// Strong identifiers. Two kinds of id never mix, all are ordered and hashable, and each prints as
// lowercase hexadecimal.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

// An id of `Size` bytes; `Tag` makes it a type of its own.
template <typename Tag, size_t Size>
struct ByteId {
  std::array<uint8_t, Size> bytes{};

  auto operator<=>(const ByteId&) const = default;
  bool is_zero() const { return *this == ByteId{}; }
};

// A member of the mesh: the certificate's member_id. The zero id means "no node".
using NodeId = ByteId<struct NodeTag, 16>;
// A model: BLAKE2b-256 of its GGUF header and tensor table.
using ModelId = ByteId<struct ModelTag, 32>;
// Any other BLAKE2b-256 digest.
using Digest = ByteId<struct DigestTag, 32>;

// One stream of tokens, unique in the mesh: drawn at random by the head that opens it.
struct SessionId {
  uint64_t value = 0;
  auto operator<=>(const SessionId&) const = default;
};

// A plan's number. A later plan has a greater epoch; 0 means "no plan".
struct Epoch {
  uint64_t value = 0;
  auto operator<=>(const Epoch&) const = default;
};

std::string hex(const uint8_t* bytes, size_t size);
// kInvalid unless `text` is exactly 2 * size hexadecimal digits.
Result<> parse_hex(std::string_view text, uint8_t* bytes, size_t size);

template <typename Tag, size_t Size>
std::string to_string(const ByteId<Tag, Size>& id) {
  return hex(id.bytes.data(), Size);
}
std::string to_string(SessionId id);
std::string to_string(Epoch epoch);

// The first eight digits, for logs and tables.
template <typename Tag, size_t Size>
std::string short_string(const ByteId<Tag, Size>& id) {
  return hex(id.bytes.data(), 4);
}

// A token of a model's vocabulary.
using TokenId = int32_t;

}  // namespace weft

template <typename Tag, size_t Size>
struct std::hash<weft::ByteId<Tag, Size>> {
  size_t operator()(const weft::ByteId<Tag, Size>& id) const {
    size_t value;
    std::memcpy(&value, id.bytes.data(), sizeof value);  // ids are random or digests
    return value;
  }
};
template <>
struct std::hash<weft::SessionId> {
  size_t operator()(weft::SessionId id) const { return std::hash<uint64_t>()(id.value); }
};

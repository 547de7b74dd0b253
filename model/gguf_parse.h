// From a GGUF's bytes to a checked table of metadata and tensors. Internal to model/gguf.cc.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/gguf.h"

namespace weft::model {

// Bounds that no published model comes near.
inline constexpr uint64_t kHeaderBytesMax = uint64_t{1} << 30;
inline constexpr uint64_t kMetadataKeysMax = 65'536;
inline constexpr uint64_t kTensorsMax = 65'536;
inline constexpr uint64_t kKeyBytesMax = 65'535;  // as the specification says
inline constexpr uint64_t kTensorNameBytesMax = 255;
inline constexpr uint64_t kAlignmentMax = 65'536;
inline constexpr uint32_t kDimsMax = 4;

// Value types, numbers as in the file.
enum class GgufType : uint8_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kText = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
std::string_view gguf_type_name(GgufType type);
// Bytes of one number; 0 for text and arrays.
uint32_t gguf_type_bytes(GgufType type);

// Where one key and its value lie in the file. 20 bytes: the smallest key takes 14 in the file, and
// what is allocated before a refusal must stay below twice that.
struct GgufEntry {
  uint32_t key_offset;
  uint32_t value_offset;  // of the first byte after lengths and array header
  uint32_t value_bytes;
  uint32_t count;  // elements of an array; 1 otherwise
  uint16_t key_bytes;
  GgufType type;
  GgufType element_type;  // of an array; else as `type`

  std::string_view key(ByteView file) const { return as_text(file.subspan(key_offset, key_bytes)); }
  ByteView value(ByteView file) const { return file.subspan(value_offset, value_bytes); }
};

struct GgufLayout {
  uint32_t version = 0;
  uint64_t header_bytes = 0;
  std::vector<GgufEntry> entries;   // ordered by key
  std::vector<GgufTensor> tensors;  // as in the file
  std::vector<uint32_t> by_name;    // indices of `tensors`, ordered by name
};

// kCorrupt names the defect; kUnsupported a version, byte order, tensor type or nested array.
Result<GgufLayout> parse_gguf(ByteView file);

// Walks `count` length-prefixed strings at the start of `bytes`; `visit(std::string_view)` each.
// The bytes they take, or kCorrupt if they do not fit.
template <typename Visit>
Result<uint64_t> walk_strings(ByteView bytes, uint64_t count, Visit visit) {
  uint64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t length;
    const uint64_t left = bytes.size() - at;
    if (left >= sizeof length) std::memcpy(&length, bytes.data() + at, sizeof length);
    if (left < sizeof length || length > left - sizeof length) {
      return Error(ErrorCode::kCorrupt, "a string is longer than what is left of the file");
    }
    visit(as_text(bytes.subspan(at + sizeof length, length)));
    at += sizeof length + length;
  }
  return at;
}

}  // namespace weft::model

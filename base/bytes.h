// Bytes: little-endian readers and writers with every bound checked, and a shared read-only buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weft {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads numbers and runs of bytes in order. A read past the end is kCorrupt with the position.
// The project runs on little-endian machines only; cmake refuses others.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  template <typename T>
  Result<T> number() {
    static_assert(std::is_arithmetic_v<T>);
    WEFT_TRY(ByteView raw, take(sizeof(T)));
    T value;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  // The next `size` bytes, viewed in place.
  Result<ByteView> take(uint64_t size);

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

 private:
  ByteView bytes_;
  size_t position_ = 0;
};

// Appends little-endian numbers and runs of bytes.
class ByteWriter {
 public:
  template <typename T>
  ByteWriter& number(T value) {
    static_assert(std::is_arithmetic_v<T>);
    const auto* raw = reinterpret_cast<const uint8_t*>(&value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof value);
    return *this;
  }
  ByteWriter& append(ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// Read-only bytes with shared ownership: an activation is written once, then handed from the wire
// to the state machines to the kernels without a copy. The data is aligned to 16 bytes or more
// when made by `adopt`.
class SharedBytes {
 public:
  SharedBytes() = default;
  // Takes the vector over; no copy.
  static SharedBytes adopt(Bytes bytes);
  static SharedBytes adopt(std::vector<float> values);
  // Views memory that `owner` keeps alive.
  SharedBytes(std::shared_ptr<const void> owner, ByteView view)
      : owner_(std::move(owner)), view_(view) {}

  ByteView view() const { return view_; }
  // Who keeps the bytes alive, for a view of a part of them.
  const std::shared_ptr<const void>& owner() const { return owner_; }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  // As floats. The size must be a multiple of 4 and the data 4-byte aligned (asserted).
  std::span<const float> floats() const;

 private:
  std::shared_ptr<const void> owner_;
  ByteView view_;
};

}  // namespace weft

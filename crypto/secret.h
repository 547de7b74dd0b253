// Secret<Size>: bytes that are locked in memory, kept out of core dumps, wiped at the end, and that
// cannot be copied or printed by accident. Also the start of this folder: initialize().
#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/result.h"

namespace weft::crypto {

// Makes the library's random source ready and turns core dumps off for this process (RLIMIT_CORE
// and, except in sanitizer builds, whose leak check needs it, PR_SET_DUMPABLE). Call it once, first
// thing in main; calling it again is harmless. kInternal if the random source cannot be opened, kIo
// if the system refuses. The rest of this folder works without it (tests), with core dumps on.
Result<> initialize();

// Overwrites what a plain buffer held, in a way the compiler does not remove: for a code that came
// by argv or was printed. The text is left with its length, all zero bytes.
void wipe(std::span<uint8_t> bytes);
void wipe(std::string& text);

// Compares in a time that depends on the sizes only.
bool equal_secrets(ByteView a, ByteView b);

namespace detail {
// Guarded, locked memory, zeroed; ends the program where the system has none left.
uint8_t* allocate_secret(size_t size);
void free_secret(uint8_t* data) noexcept;
}  // namespace detail

template <size_t Size>
class Secret {
 public:
  // All zero.
  Secret() : data_(detail::allocate_secret(Size)) {}
  // A copy of exactly Size bytes (asserted); the source stays the caller's to wipe.
  explicit Secret(ByteView source) : Secret() {
    WEFT_ASSERT(source.size() == Size);
    std::memcpy(data_, source.data(), Size);
  }
  Secret(Secret&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { detail::free_secret(data_); }

  // The one way to a second copy, so that each is seen in the source.
  Secret clone() const { return Secret(view()); }

  static constexpr size_t size() { return Size; }
  // Not to be used after a move (asserted).
  ByteView view() const {
    WEFT_ASSERT(data_ != nullptr);
    return {data_, Size};
  }
  std::span<uint8_t> writable() {
    WEFT_ASSERT(data_ != nullptr);
    return {data_, Size};
  }

 private:
  uint8_t* data_;
};

template <size_t Size>
std::ostream& operator<<(std::ostream&, const Secret<Size>&) = delete;
template <size_t Size>
bool operator==(const Secret<Size>&, const Secret<Size>&) = delete;

}  // namespace weft::crypto

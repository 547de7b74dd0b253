// BLAKE2b with 256 bits of output (RFC 7693): names of models and tensors, ids, derived keys.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/id.h"

namespace weft::crypto {

Digest blake2b_256(ByteView bytes);
// Keyed, as RFC 7693 section 2.5 has it; key of 1 to 64 bytes (asserted).
Digest blake2b_256(ByteView key, ByteView bytes);

// The same over bytes that come in parts. Not shared between threads; wiped at the end.
class Hasher {
 public:
  Hasher() : Hasher(ByteView()) {}
  explicit Hasher(ByteView key);
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher();

  Hasher& update(ByteView bytes);
  // Call once, last (asserted).
  Digest finish();

 private:
  alignas(64) std::array<uint8_t, 384> state_;
  bool finished_ = false;
};

}  // namespace weft::crypto

// Random numbers for secrets, nonces and ids, from the system's source. For numbers that a replay
// must draw again there is base/random.h.
#pragma once

#include <cstdint>
#include <span>

#include "base/id.h"
#include "crypto/secret.h"

namespace weft::crypto {

// Fills the buffer; any thread; never fails once the system's source is open.
void random_bytes(std::span<uint8_t> out);
uint64_t random_u64();

// A random id of any kind: random_id<NodeId>(). Never the zero id in practice (2^-128 or less).
template <typename Id>
Id random_id() {
  Id id;
  random_bytes(id.bytes);
  return id;
}

template <size_t Size>
Secret<Size> random_secret() {
  Secret<Size> secret;
  random_bytes(secret.writable());
  return secret;
}

}  // namespace weft::crypto

#include "crypto/hash.h"

#include <sodium.h>

#include "base/assert.h"

namespace weft::crypto {
namespace {

crypto_generichash_state* as_state(std::array<uint8_t, 384>& bytes) {
  static_assert(sizeof(crypto_generichash_state) <= sizeof(std::array<uint8_t, 384>));
  static_assert(alignof(crypto_generichash_state) <= 64);
  return reinterpret_cast<crypto_generichash_state*>(bytes.data());
}

}  // namespace

Digest blake2b_256(ByteView bytes) {
  return Hasher().update(bytes).finish();
}

Digest blake2b_256(ByteView key, ByteView bytes) {
  WEFT_ASSERT(!key.empty());
  return Hasher(key).update(bytes).finish();
}

Hasher::Hasher(ByteView key) {
  WEFT_ASSERT(key.size() <= crypto_generichash_KEYBYTES_MAX);
  WEFT_ASSERT(crypto_generichash_blake2b_init(as_state(state_), key.data(), key.size(), 32) == 0);
}

Hasher::~Hasher() {
  sodium_memzero(state_.data(), state_.size());
}

Hasher& Hasher::update(ByteView bytes) {
  WEFT_ASSERT(!finished_);
  crypto_generichash_blake2b_update(as_state(state_), bytes.data(), bytes.size());
  return *this;
}

Digest Hasher::finish() {
  WEFT_ASSERT(!finished_);
  finished_ = true;
  Digest digest;
  crypto_generichash_blake2b_final(as_state(state_), digest.bytes.data(), digest.bytes.size());
  return digest;
}

}  // namespace weft::crypto

// The one key that decides who is a member. It lives on the device that made the mesh, and in the
// recovery code that was shown once.
#pragma once

#include <string>

#include "crypto/keys.h"

namespace weft::crypto {

// "WFTA1", Ed25519 seed, and 16 bytes of BLAKE2b over what is before.
inline constexpr size_t kAuthorityFileBytes = 5 + 32 + 16;

class Authority {
 public:
  static Authority generate();
  // kInvalid with what is wrong about the code, as crypto::decode_code says it.
  static Result<Authority> from_recovery_code(std::string_view code);
  // kCorrupt if the file was changed or cut.
  static Result<Authority> decode(const Secret<kAuthorityFileBytes>& file);
  Secret<kAuthorityFileBytes> encode() const;

  // Fourteen groups of four: whoever reads it owns the mesh. Show it once, then wipe it.
  std::string recovery_code() const;
  const SigningKey& key() const { return key_; }
  const VerifyKey& public_key() const { return key_.public_key(); }
  ClusterId cluster_id() const { return cluster_id_of(public_key()); }

 private:
  explicit Authority(SigningKey key) : key_(std::move(key)) {}
  SigningKey key_;
};

}  // namespace weft::crypto

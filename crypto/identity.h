// Who a device is: the Ed25519 identity that signs for it, and the X25519 keys of its links.
// Made once, on the device, and never sent anywhere; what others see is in its certificate.
#pragma once

#include "crypto/keys.h"

namespace weft::crypto {

// "WFTI1", Ed25519 seed, X25519 secret key, and 16 bytes of BLAKE2b over what is before.
inline constexpr size_t kIdentityFileBytes = 5 + 32 + 32 + 16;

class Identity {
 public:
  static Identity generate();
  // kCorrupt if the file was changed or cut.
  static Result<Identity> decode(const Secret<kIdentityFileBytes>& file);
  Secret<kIdentityFileBytes> encode() const;

  NodeId member_id() const { return member_id_of(signing_.public_key()); }
  const SigningKey& signing() const { return signing_; }
  const CurveKeys& curve() const { return curve_; }

 private:
  Identity(SigningKey signing, CurveKeys curve)
      : signing_(std::move(signing)), curve_(std::move(curve)) {}

  SigningKey signing_;
  CurveKeys curve_;
};

}  // namespace weft::crypto

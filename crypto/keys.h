// The two kinds of key: Ed25519 (RFC 8032) signs, X25519 (RFC 7748) is what CURVE links use.
// All values here may be used from any thread.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/id.h"
#include "crypto/secret.h"

namespace weft::crypto {

// Ed25519 public key.
using VerifyKey = ByteId<struct VerifyKeyTag, 32>;
using Signature = ByteId<struct SignatureTag, 64>;
// X25519 public key, the raw 32 bytes that ZMQ_CURVE_PUBLICKEY and ZAP's credentials hold.
using CurveKey = ByteId<struct CurveKeyTag, 32>;
// A mesh: BLAKE2b-256 of its authority's public key.
using ClusterId = ByteId<struct ClusterTag, 32>;

// What a signature is for goes before the signed bytes, so that none is valid in another place.
// The final zero byte is part of each.
inline constexpr std::string_view kCertificateDomain{"weft/cert/1\0", 12};
inline constexpr std::string_view kRosterDomain{"weft/roster/1\0", 14};
inline constexpr std::string_view kJoinDomain{"weft/join/1\0", 12};

class SigningKey {
 public:
  static SigningKey generate();
  // The key of a 32-byte seed (RFC 8032's private key).
  explicit SigningKey(Secret<32> seed);

  const VerifyKey& public_key() const { return public_key_; }
  ByteView seed() const { return seed_.view(); }
  // Ed25519 over domain || message; deterministic.
  Signature sign(std::string_view domain, ByteView message) const;

 private:
  Secret<32> seed_;
  Secret<64> expanded_;
  VerifyKey public_key_;
};

// False for a wrong signature and for keys of small order.
bool verify_signature(const VerifyKey& key, std::string_view domain, ByteView message,
                      const Signature& signature);

// A link's key pair. libzmq takes both halves as raw bytes (option length 32).
class CurveKeys {
 public:
  static CurveKeys generate();
  explicit CurveKeys(Secret<32> secret_key);

  const CurveKey& public_key() const { return public_key_; }
  ByteView secret_key() const { return secret_key_.view(); }

 private:
  Secret<32> secret_key_;
  CurveKey public_key_;
};

// True unless the key is one of the few points of small order, with which a link would have no
// secret at all (RFC 7748, section 6.1).
bool is_usable(const CurveKey& key);

ClusterId cluster_id_of(const VerifyKey& authority);
// A member's id follows from its identity, so that nobody chooses one: the first 16 bytes of
// BLAKE2b-256("weft/member/1\0" || identity).
NodeId member_id_of(const VerifyKey& identity);

}  // namespace weft::crypto

#include "crypto/keys.h"

#include <sodium.h>

#include <algorithm>

#include "crypto/hash.h"
#include "crypto/random.h"

namespace weft::crypto {
namespace {

static_assert(crypto_sign_SEEDBYTES == 32 && crypto_sign_SECRETKEYBYTES == 64 &&
              crypto_sign_PUBLICKEYBYTES == 32 && crypto_sign_BYTES == 64 &&
              crypto_scalarmult_BYTES == 32 && crypto_scalarmult_SCALARBYTES == 32);

Bytes with_domain(std::string_view domain, ByteView message) {
  ByteWriter writer;
  writer.append(as_bytes(domain)).append(message);
  return writer.take();
}

}  // namespace

SigningKey SigningKey::generate() {
  return SigningKey(random_secret<32>());
}

SigningKey::SigningKey(Secret<32> seed) : seed_(std::move(seed)) {
  crypto_sign_seed_keypair(public_key_.bytes.data(), expanded_.writable().data(),
                           seed_.view().data());
}

Signature SigningKey::sign(std::string_view domain, ByteView message) const {
  const Bytes signed_bytes = with_domain(domain, message);
  Signature signature;
  crypto_sign_detached(signature.bytes.data(), nullptr, signed_bytes.data(), signed_bytes.size(),
                       expanded_.view().data());
  return signature;
}

bool verify_signature(const VerifyKey& key, std::string_view domain, ByteView message,
                      const Signature& signature) {
  const Bytes signed_bytes = with_domain(domain, message);
  return crypto_sign_verify_detached(signature.bytes.data(), signed_bytes.data(),
                                     signed_bytes.size(), key.bytes.data()) == 0;
}

CurveKeys CurveKeys::generate() {
  return CurveKeys(random_secret<32>());
}

CurveKeys::CurveKeys(Secret<32> secret_key) : secret_key_(std::move(secret_key)) {
  crypto_scalarmult_base(public_key_.bytes.data(), secret_key_.view().data());
}

bool is_usable(const CurveKey& key) {
  // Any scalar shows it: the product with a point of small order is zero, which is reported.
  const std::array<uint8_t, 32> scalar{1, 2, 3};
  std::array<uint8_t, 32> product;
  return crypto_scalarmult(product.data(), scalar.data(), key.bytes.data()) == 0;
}

ClusterId cluster_id_of(const VerifyKey& authority) {
  return ClusterId{blake2b_256(authority.bytes).bytes};
}

NodeId member_id_of(const VerifyKey& identity) {
  constexpr std::string_view kDomain{"weft/member/1\0", 14};
  const Digest digest = Hasher().update(as_bytes(kDomain)).update(identity.bytes).finish();
  NodeId id;
  std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

}  // namespace weft::crypto

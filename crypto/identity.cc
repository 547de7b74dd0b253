#include "crypto/identity.h"

#include <algorithm>

#include "crypto/sealed.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kMagic = "WFTI1";
static_assert(kIdentityFileBytes == kMagicBytes + 64 + kSealBytes);

}  // namespace

Identity Identity::generate() {
  return Identity(SigningKey::generate(), CurveKeys::generate());
}

Result<Identity> Identity::decode(const Secret<kIdentityFileBytes>& file) {
  WEFT_TRY(const ByteView payload, unseal(kMagic, file.view()));
  return Identity(SigningKey(Secret<32>(payload.first(32))),
                  CurveKeys(Secret<32>(payload.subspan(32))));
}

Secret<kIdentityFileBytes> Identity::encode() const {
  Secret<kIdentityFileBytes> file;
  const auto payload = file.writable().subspan(kMagicBytes);
  std::copy_n(signing_.seed().begin(), 32, payload.begin());
  std::copy_n(curve_.secret_key().begin(), 32, payload.begin() + 32);
  seal(kMagic, file.writable());
  return file;
}

}  // namespace weft::crypto

#include "crypto/authority.h"

#include <algorithm>

#include "crypto/code.h"
#include "crypto/sealed.h"

namespace weft::crypto {
namespace {

constexpr std::string_view kMagic = "WFTA1";
static_assert(kAuthorityFileBytes == kMagicBytes + 32 + kSealBytes);

}  // namespace

Authority Authority::generate() {
  return Authority(SigningKey::generate());
}

Result<Authority> Authority::from_recovery_code(std::string_view code) {
  Secret<32> seed;
  WEFT_CHECK(decode_code(kRecoveryCode, code, seed.writable()));
  return Authority(SigningKey(std::move(seed)));
}

Result<Authority> Authority::decode(const Secret<kAuthorityFileBytes>& file) {
  WEFT_TRY(const ByteView payload, unseal(kMagic, file.view()));
  return Authority(SigningKey(Secret<32>(payload)));
}

Secret<kAuthorityFileBytes> Authority::encode() const {
  Secret<kAuthorityFileBytes> file;
  std::copy_n(key_.seed().begin(), 32, file.writable().begin() + kMagicBytes);
  seal(kMagic, file.writable());
  return file;
}

std::string Authority::recovery_code() const {
  return encode_code(kRecoveryCode, key_.seed());
}

}  // namespace weft::crypto

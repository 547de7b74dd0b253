#include "crypto/sealed.h"

#include <algorithm>

#include "base/assert.h"
#include "base/text.h"
#include "crypto/hash.h"

namespace weft::crypto {

void seal(std::string_view magic, std::span<uint8_t> file) {
  WEFT_ASSERT(magic.size() == kMagicBytes && file.size() >= kMagicBytes + kSealBytes);
  std::copy(magic.begin(), magic.end(), file.begin());
  const Digest check = blake2b_256(file.first(file.size() - kSealBytes));
  std::copy_n(check.bytes.begin(), kSealBytes, file.end() - kSealBytes);
}

Result<ByteView> unseal(std::string_view magic, ByteView file) {
  if (file.size() < kMagicBytes + kSealBytes || as_text(file.first(kMagicBytes)) != magic) {
    return Error(ErrorCode::kCorrupt, cat("it is not a ", magic, " file"));
  }
  const Digest check = blake2b_256(file.first(file.size() - kSealBytes));
  if (!std::equal(file.end() - kSealBytes, file.end(), check.bytes.begin())) {
    return Error(ErrorCode::kCorrupt, "the file was cut or changed");
  }
  return file.subspan(kMagicBytes, file.size() - kMagicBytes - kSealBytes);
}

}  // namespace weft::crypto

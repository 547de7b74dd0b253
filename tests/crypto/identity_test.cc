#include "crypto/identity.h"

#include <gtest/gtest.h>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::unwrap;

TEST(IdentityFile, ReadsBackAsTheSameDevice) {
  const Identity made = Identity::generate();
  const Identity read = unwrap(Identity::decode(made.encode()));
  EXPECT_EQ(read.signing().public_key(), made.signing().public_key());
  EXPECT_EQ(read.curve().public_key(), made.curve().public_key());
  EXPECT_TRUE(equal_secrets(read.curve().secret_key(), made.curve().secret_key()));
  EXPECT_EQ(read.member_id(), made.member_id());
}

TEST(IdentityFile, AChangedByteIsFoundInsteadOfMakingAnotherDevice) {
  const Identity made = Identity::generate();
  for (size_t at = 0; at < kIdentityFileBytes; ++at) {
    Secret<kIdentityFileBytes> file = made.encode();
    file.writable()[at] ^= 1;
    EXPECT_EQ(Identity::decode(file).error().code, ErrorCode::kCorrupt) << at;
  }
}

TEST(IdentityFile, TheTwoKeysOfADeviceShareNoSecret) {
  const Identity made = Identity::generate();
  EXPECT_FALSE(equal_secrets(made.signing().seed(), made.curve().secret_key()));
}

}  // namespace
}  // namespace weft::crypto

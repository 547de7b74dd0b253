#include "crypto/authority.h"

#include <gtest/gtest.h>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::fails_with;
using test::unwrap;

TEST(AuthorityKey, ReadsBackFromItsFile) {
  const Authority made = Authority::generate();
  EXPECT_EQ(unwrap(Authority::decode(made.encode())).public_key(), made.public_key());
  Secret<kAuthorityFileBytes> changed = made.encode();
  changed.writable()[20] ^= 1;
  EXPECT_EQ(Authority::decode(changed).error().code, ErrorCode::kCorrupt);
}

TEST(AuthorityKey, ComesBackFromItsRecoveryCode) {
  const Authority made = Authority::generate();
  const std::string code = made.recovery_code();
  EXPECT_EQ(code.size(), 56u + 13u);
  const Authority restored = unwrap(Authority::from_recovery_code(code));
  EXPECT_EQ(restored.public_key(), made.public_key());
  EXPECT_EQ(restored.cluster_id(), made.cluster_id());
  EXPECT_EQ(restored.key().sign("", {}), made.key().sign("", {}));
}

TEST(AuthorityKey, AMistypedRecoveryCodeIsRefusedNotTakenForAnotherKey) {
  std::string code = Authority::generate().recovery_code();
  code[3] = code[3] == '7' ? '8' : '7';
  EXPECT_TRUE(fails_with(Authority::from_recovery_code(code), ErrorCode::kInvalid, "typing error"));
}

}  // namespace
}  // namespace weft::crypto

#include "crypto/keys.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"

namespace weft::crypto {
namespace {

Bytes from_hex(std::string_view text) {
  Bytes bytes(text.size() / 2);
  EXPECT_TRUE(parse_hex(text, bytes.data(), bytes.size()).ok());
  return bytes;
}

struct SignatureVector {
  const char *seed, *public_key, *message, *signature;
};

// RFC 8032, section 7.1, tests 1 to 3.
constexpr SignatureVector kSignatureVectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
};

TEST(Keys, SignAsRfc8032Does) {
  for (const SignatureVector& vector : kSignatureVectors) {
    const SigningKey key{Secret<32>(from_hex(vector.seed))};
    EXPECT_EQ(to_string(key.public_key()), vector.public_key);
    const Bytes message = from_hex(vector.message);
    const Signature signature = key.sign("", message);
    EXPECT_EQ(to_string(signature), vector.signature);
    EXPECT_TRUE(verify_signature(key.public_key(), "", message, signature));
  }
}

// RFC 7748, section 6.1, Alice's keys.
TEST(Keys, DeriveLinkKeysAsRfc7748Does) {
  const CurveKeys keys{
      Secret<32>(from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))};
  EXPECT_EQ(to_string(keys.public_key()),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
}

TEST(Keys, ASignatureHoldsForItsKeyItsDomainAndItsMessageOnly) {
  const SigningKey key = SigningKey::generate(), other = SigningKey::generate();
  const Bytes message{1, 2, 3};
  const Signature signature = key.sign(kCertificateDomain, message);
  EXPECT_TRUE(verify_signature(key.public_key(), kCertificateDomain, message, signature));
  EXPECT_FALSE(verify_signature(other.public_key(), kCertificateDomain, message, signature));
  EXPECT_FALSE(verify_signature(key.public_key(), kRosterDomain, message, signature));
  EXPECT_FALSE(verify_signature(key.public_key(), kCertificateDomain, Bytes{1, 2, 4}, signature));
  EXPECT_FALSE(verify_signature(VerifyKey{}, kCertificateDomain, message, signature));
}

TEST(Keys, DomainsEndWithAZeroByteSoThatNoneIsTheStartOfAnother) {
  for (const std::string_view domain : {kCertificateDomain, kRosterDomain, kJoinDomain}) {
    EXPECT_EQ(domain.find('\0'), domain.size() - 1);
  }
}

TEST(Keys, LinkKeysOfSmallOrderAreNotUsable) {
  EXPECT_TRUE(is_usable(CurveKeys::generate().public_key()));
  EXPECT_FALSE(is_usable(CurveKey{}));
  CurveKey one;
  one.bytes[0] = 1;
  EXPECT_FALSE(is_usable(one));
}

TEST(Keys, GeneratedKeysDiffer) {
  EXPECT_NE(SigningKey::generate().public_key(), SigningKey::generate().public_key());
  EXPECT_NE(CurveKeys::generate().public_key(), CurveKeys::generate().public_key());
}

TEST(Keys, AMeshIsNamedByTheHashOfItsAuthority) {
  const VerifyKey key = SigningKey::generate().public_key();
  EXPECT_EQ(cluster_id_of(key).bytes, blake2b_256(key.bytes).bytes);
  EXPECT_FALSE(member_id_of(key).is_zero());
  EXPECT_NE(member_id_of(key), member_id_of(SigningKey::generate().public_key()));
}

}  // namespace
}  // namespace weft::crypto

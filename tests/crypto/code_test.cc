#include "crypto/code.h"

#include <gtest/gtest.h>

#include <numeric>

#include "crypto/random.h"
#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::fails_with;

constexpr const char* kKnownJoinCode = "000G-40R4-0M30-E209-185G-R38E-1X7E";

Bytes counting(size_t size) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

// Known answers from an independent few lines of Python over hashlib.
TEST(Code, LooksAsItAlwaysDid) {
  EXPECT_EQ(encode_code(kJoinCode, counting(16)), kKnownJoinCode);
  EXPECT_EQ(encode_code(kRecoveryCode, counting(32)),
            "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFR-GF3X");
}

TEST(Code, ReadsBackWhatItWrote) {
  for (int i = 0; i < 200; ++i) {
    const Secret<32> seed = random_secret<32>();
    Secret<32> read;
    ASSERT_TRUE(
        decode_code(kRecoveryCode, encode_code(kRecoveryCode, seed.view()), read.writable()).ok());
    EXPECT_TRUE(equal_secrets(seed.view(), read.view()));
  }
}

TEST(Code, ForgivesCaseSpacesAndLettersThatLookLikeDigits) {
  for (const char* typed :
       {"000g40r40m30e209185gr38e1x7e", " 000G 40R4-0M30 e209-185g r38e-1x7e\n",
        "OOOG-4oR4-OM3o-E2O9-I85G-R38E-LX7E", "--000G--40R4--0M30-E209185GR38E-iX7E"}) {
    Bytes payload(16);
    EXPECT_TRUE(decode_code(kJoinCode, typed, payload).ok()) << typed;
    EXPECT_EQ(payload, counting(16)) << typed;
  }
}

TEST(Code, EverySingleTypingErrorIsFound) {
  const std::string symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  int wrong = 0, missed = 0;
  for (size_t at = 0; at < std::string(kKnownJoinCode).size(); ++at) {
    std::string typed = kKnownJoinCode;
    if (typed[at] == '-') continue;
    for (const char c : symbols) {
      typed[at] = c;
      if (typed == kKnownJoinCode) continue;
      Bytes payload(16);
      ++wrong;
      missed += decode_code(kJoinCode, typed, payload).ok();
    }
  }
  EXPECT_EQ(wrong, 28 * 31);
  EXPECT_EQ(missed, 0) << "of " << wrong;
}

TEST(Code, SaysWhatIsWrong) {
  Bytes payload(16, 9);
  EXPECT_TRUE(fails_with(decode_code(kJoinCode, "000G-40R4", payload), ErrorCode::kInvalid,
                         "has 8 letters and digits, it should have 28"));
  EXPECT_TRUE(fails_with(decode_code(kJoinCode, "000U", payload), ErrorCode::kInvalid,
                         "holds 'U' after 3 good characters"));
  EXPECT_TRUE(fails_with(decode_code(kJoinCode, "000G-40R4-0M30-E209-185G-R38E-1X7F", payload),
                         ErrorCode::kInvalid, "typing error"));
  EXPECT_TRUE(fails_with(decode_code(kJoinCode, std::string(100000, '0'), payload),
                         ErrorCode::kInvalid, "far too long"));
  EXPECT_TRUE(fails_with(decode_code(kJoinCode, "", payload), ErrorCode::kInvalid, "has 0"));
  EXPECT_TRUE(fails_with(decode_code(kJoinCode, "00\x1b[2J", payload), ErrorCode::kInvalid, "'?'"));
  EXPECT_EQ(payload, Bytes(16, 9)) << "a failed read must not touch the payload";
}

TEST(Code, AJoinCodeIsNotARecoveryCode) {
  Bytes payload(32);
  EXPECT_TRUE(fails_with(decode_code(kRecoveryCode, kKnownJoinCode, payload), ErrorCode::kInvalid,
                         "recovery code has 28"));
}

}  // namespace
}  // namespace weft::crypto

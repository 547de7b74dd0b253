#include "crypto/invite.h"

#include <gtest/gtest.h>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::fails_with;
using test::kDay;
using test::kNow;
using test::unwrap;

TEST(Invite, BothSidesDeriveTheSameKeysFromTheCode) {
  const InviteSecret made = InviteSecret::generate();
  const InviteSecret read = unwrap(InviteSecret::from_code(made.code()));
  EXPECT_EQ(read.server_keys().public_key(), made.server_keys().public_key());
  EXPECT_EQ(read.client_keys().public_key(), made.client_keys().public_key());
  EXPECT_EQ(read.rendezvous_tag(), made.rendezvous_tag());
  EXPECT_EQ(read.id(), made.id());
  EXPECT_NE(made.server_keys().public_key(), made.client_keys().public_key());
  EXPECT_NE(made.id(), InviteSecret::generate().id());
}

// Known answers from Python's hashlib over the bytes 0 to 15.
TEST(Invite, DerivesAsItAlwaysDid) {
  const InviteSecret secret = unwrap(InviteSecret::from_code("000G-40R4-0M30-E209-185G-R38E-1X7E"));
  EXPECT_EQ(secret.rendezvous_tag(), "ae933f237aecb9ee");
  EXPECT_EQ(hex(secret.server_keys().secret_key().data(), 32),
            "5c59bb8ab0af81b00b9fa2b2e595e0d5bf4b37b485e1bfc4e9c1393fd0fe08b2");
}

TEST(Invite, ATypingErrorIsToldApartBeforeAnyNetwork) {
  EXPECT_TRUE(fails_with(InviteSecret::from_code("000G-40R4-0M30-E209-185G-R38E-1X7F"),
                         ErrorCode::kInvalid, "typing error"));
}

TEST(InviteBook, ACodeIsGoodOnceForTenMinutes) {
  InviteBook book;
  const Digest id = InviteSecret::generate().id();
  ASSERT_TRUE(book.add(id, kNow).ok());
  EXPECT_TRUE(book.check(id, kNow + 600).ok());
  EXPECT_TRUE(fails_with(book.check(id, kNow + 601), ErrorCode::kTimeout, "10 minutes"));
  EXPECT_TRUE(book.burn(id));
  EXPECT_FALSE(book.burn(id));
  EXPECT_TRUE(fails_with(book.check(id, kNow), ErrorCode::kDenied, "used already"));
  EXPECT_TRUE(
      fails_with(book.check(random_id<Digest>(), kNow), ErrorCode::kNotFound, "no such code"));
}

TEST(InviteBook, SettingTheClockBackRevivesNoCode) {
  InviteBook book;
  const Digest id = InviteSecret::generate().id();
  ASSERT_TRUE(book.add(id, kNow).ok());
  EXPECT_TRUE(book.check(id, kNow - 30).ok()) << "a small step is not a clock set back";
  EXPECT_TRUE(fails_with(book.check(id, kNow - kDay), ErrorCode::kTimeout, "set back"));
}

TEST(InviteBook, HoldsALimitedNumberAndForgetsThoseOfYesterday) {
  InviteBook book;
  const Digest first = random_id<Digest>();
  ASSERT_TRUE(book.add(first, kNow).ok());
  for (size_t i = 1; i < kInvitesMax; ++i)
    ASSERT_TRUE(book.add(random_id<Digest>(), kNow + 5).ok());
  EXPECT_EQ(book.add(random_id<Digest>(), kNow + 10).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(book.encode().size(), InviteBook::file_bytes_max());
  EXPECT_TRUE(unwrap(InviteBook::decode(book.encode())).check(first, kNow).ok());
  EXPECT_TRUE(book.add(random_id<Digest>(), kNow + 2 * kDay).ok());
  EXPECT_EQ(book.entries().size(), 1u);
}

TEST(InviteBook, ReadsBackWhatItWroteAndRefusesTheRest) {
  InviteBook book;
  const Digest open = random_id<Digest>(), burned = random_id<Digest>();
  ASSERT_TRUE(book.add(open, kNow).ok());
  ASSERT_TRUE(book.add(burned, kNow).ok());
  book.burn(burned);
  const Bytes file = book.encode();
  const InviteBook read = unwrap(InviteBook::decode(file));
  EXPECT_TRUE(read.check(open, kNow).ok());
  EXPECT_EQ(read.check(burned, kNow).error().code, ErrorCode::kDenied);
  for (size_t at = 0; at < file.size(); ++at) {
    Bytes changed = file;
    changed[at] ^= 0x10;
    EXPECT_EQ(InviteBook::decode(changed).error().code, ErrorCode::kCorrupt) << at;
    EXPECT_EQ(InviteBook::decode(ByteView(file).first(at)).error().code, ErrorCode::kCorrupt) << at;
  }
}

TEST(InviteBook, TheStoredTableDoesNotHoldTheSecret) {
  const InviteSecret secret = unwrap(InviteSecret::from_code("000G-40R4-0M30-E209-185G-R38E-1X7E"));
  InviteBook book;
  ASSERT_TRUE(book.add(secret.id(), kNow).ok());
  const Bytes file = book.encode();
  const Bytes bits{0, 1, 2, 3};
  EXPECT_EQ(std::search(file.begin(), file.end(), bits.begin(), bits.end()), file.end());
}

}  // namespace
}  // namespace weft::crypto

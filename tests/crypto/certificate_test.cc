#include "crypto/certificate.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::facts_of;
using test::fails_with;
using test::kNow;
using test::unwrap;

class Certificates : public ::testing::Test {
 protected:
  Certificate issue(MemberFacts facts) {
    return unwrap(Certificate::issue(std::move(facts), authority_.key()));
  }
  Result<Certificate> parse(ByteView bytes) {
    return Certificate::parse(bytes, authority_.public_key());
  }
  // The bytes before the signature, with a good signature put after them.
  Bytes resigned(Bytes bytes) {
    bytes.resize(kCertificateBytes - 64);
    const Signature signature = authority_.key().sign(kCertificateDomain, bytes);
    bytes.insert(bytes.end(), signature.bytes.begin(), signature.bytes.end());
    return bytes;
  }
  Bytes bytes_of(const Certificate& certificate) {
    return Bytes(certificate.bytes().begin(), certificate.bytes().end());
  }

  Authority authority_ = Authority::generate();
  Identity identity_ = Identity::generate();
};

TEST_F(Certificates, ReadBackAsTheyWereIssued) {
  MemberFacts facts = facts_of(identity_, "Küche ☕", 7);
  facts.roles = kRoleWorker | 0x80000000;
  const Certificate read = unwrap(parse(issue(facts).bytes()));
  EXPECT_EQ(read.member_id(), identity_.member_id());
  EXPECT_EQ(read.name(), "Küche ☕");
  EXPECT_EQ(read.serial(), 7u);
  EXPECT_EQ(read.roles(), facts.roles);
  EXPECT_EQ(read.identity(), facts.identity);
  EXPECT_EQ(read.curve(), facts.curve);
  EXPECT_EQ(read.not_before(), kNow);
  EXPECT_EQ(read.not_after(), kNow + kCertificateSeconds);
  EXPECT_EQ(read.bytes().size(), kCertificateBytes);
}

TEST_F(Certificates, HaveTheirFieldsWhereTheHeaderSays) {
  const Certificate certificate = issue(facts_of(identity_, "kitchen", 0x0102030405060708));
  const ByteView bytes = certificate.bytes();
  EXPECT_EQ(as_text(bytes.first(5)), "WFTC1");
  EXPECT_EQ(hex(bytes.data() + 5, 32), to_string(authority_.cluster_id()));
  EXPECT_EQ(hex(bytes.data() + 37, 16), to_string(identity_.member_id()));
  EXPECT_EQ(hex(bytes.data() + 53, 8), "0807060504030201");
  EXPECT_EQ(hex(bytes.data() + 65, 32), to_string(identity_.signing().public_key()));
  EXPECT_EQ(hex(bytes.data() + 97, 32), to_string(identity_.curve().public_key()));
  EXPECT_EQ(bytes[145], 7);
  EXPECT_EQ(as_text(bytes.subspan(146, 7)), "kitchen");
}

TEST_F(Certificates, EveryFlippedBitIsRefused) {
  const Bytes good = bytes_of(issue(facts_of(identity_, "kitchen")));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes changed = good;
    changed[bit / 8] ^= uint8_t(1 << bit % 8);
    EXPECT_FALSE(parse(changed).ok()) << "bit " << bit;
  }
}

TEST_F(Certificates, AnyOtherLengthIsRefused) {
  Bytes bytes = bytes_of(issue(facts_of(identity_, "kitchen")));
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(fails_with(parse(ByteView(bytes).first(size)), ErrorCode::kCorrupt, "bytes"));
  }
  bytes.push_back(0);
  EXPECT_TRUE(fails_with(parse(bytes), ErrorCode::kCorrupt, "has 274 bytes, it should have 273"));
}

TEST_F(Certificates, OfAnotherMeshAreRefusedByName) {
  const Authority other = Authority::generate();
  const Certificate foreign =
      unwrap(Certificate::issue(facts_of(identity_, "kitchen"), other.key()));
  EXPECT_TRUE(fails_with(parse(foreign.bytes()), ErrorCode::kDenied, "another mesh"));
}

TEST_F(Certificates, WithAnotherKeysSignatureAreRefused) {
  Bytes bytes = bytes_of(issue(facts_of(identity_, "kitchen")));
  bytes.resize(kCertificateBytes - 64);
  const Signature own = identity_.signing().sign(kCertificateDomain, bytes);
  bytes.insert(bytes.end(), own.bytes.begin(), own.bytes.end());
  EXPECT_TRUE(fails_with(parse(bytes), ErrorCode::kDenied, "signature is wrong"));
}

TEST_F(Certificates, FieldsOutOfRangeAreRefusedEvenWhenSigned) {
  const Bytes good = bytes_of(issue(facts_of(identity_, "kitchen")));
  const auto with = [&](size_t offset, Bytes bytes) {
    Bytes changed = good;
    std::copy(bytes.begin(), bytes.end(), changed.begin() + offset);
    return parse(resigned(std::move(changed)));
  };
  ASSERT_TRUE(with(0, {}).ok());
  EXPECT_TRUE(fails_with(with(0, {'X'}), ErrorCode::kCorrupt, "WFTC1"));
  EXPECT_TRUE(fails_with(with(37, {1, 2, 3}), ErrorCode::kCorrupt, "not its key's"));
  EXPECT_TRUE(fails_with(with(53, Bytes(8, 0)), ErrorCode::kCorrupt, "serial"));
  EXPECT_TRUE(fails_with(with(97, Bytes(32, 0)), ErrorCode::kCorrupt, "usable key"));
  EXPECT_TRUE(fails_with(with(129, Bytes(8, 0xFF)), ErrorCode::kCorrupt, "dates"));
  EXPECT_TRUE(fails_with(with(137, Bytes(7, 0xFF)), ErrorCode::kCorrupt, "dates"));
  EXPECT_TRUE(fails_with(with(137, Bytes(8, 0)), ErrorCode::kCorrupt, "dates"));
  EXPECT_TRUE(fails_with(with(145, {0}), ErrorCode::kCorrupt, "after the end of a name"));
  EXPECT_TRUE(fails_with(with(145, {64}), ErrorCode::kCorrupt, "64 bytes"));
  EXPECT_TRUE(fails_with(with(146, {0xFF}), ErrorCode::kInvalid, "UTF-8"));
  EXPECT_TRUE(fails_with(with(208, {1}), ErrorCode::kCorrupt, "after the end of a name"));
}

TEST_F(Certificates, ExpiredAndFutureOnesAreRefusedByDate) {
  const Certificate certificate = issue(facts_of(identity_, "kitchen"));
  EXPECT_TRUE(certificate.check_dates(kNow).ok());
  EXPECT_TRUE(certificate.check_dates(kNow + kCertificateSeconds).ok());
  EXPECT_TRUE(fails_with(certificate.check_dates(kNow + 2 * kCertificateSeconds),
                         ErrorCode::kDenied, "the certificate of 'kitchen' was valid until"));
  EXPECT_TRUE(fails_with(certificate.check_dates(kNow - kCertificateSeconds), ErrorCode::kDenied,
                         "valid from"));
}

TEST_F(Certificates, WhatNobodyWouldReadIsNotIssued) {
  MemberFacts facts = facts_of(identity_, "kitchen");
  facts.not_after = facts.not_before;
  EXPECT_EQ(Certificate::issue(facts, authority_.key()).error().code, ErrorCode::kInvalid);
  facts = facts_of(identity_, std::string(64, 'x'));
  EXPECT_EQ(Certificate::issue(facts, authority_.key()).error().code, ErrorCode::kInvalid);
  facts = facts_of(identity_, "kitchen");
  facts.curve = CurveKey{};
  EXPECT_EQ(Certificate::issue(facts, authority_.key()).error().code, ErrorCode::kInvalid);
}

TEST(MemberName, TakesWhatPeopleCallTheirDevices) {
  for (const char* name : {"kitchen", "Grandma's laptop", "Küche ☕", "台所", "a"}) {
    EXPECT_TRUE(check_member_name(name).ok()) << name;
  }
  EXPECT_TRUE(check_member_name(std::string(63, 'x')).ok());
}

TEST(MemberName, RefusesWhatCouldDeceiveAScreen) {
  const std::pair<std::string, const char*> names[] = {
      {"", "empty"},
      {std::string(64, 'x'), "longer than 63"},
      {"a\nb", "control"},
      {"\x1b[2J", "control"},
      {"a\xc2\x85", "control"},
      {std::string("a\0b", 3), "control"},
      {"\xff", "UTF-8"},
      {" kitchen", "space"},
      {"kitchen ", "space"},
      {"kit\xe2\x80\xae"
       "chen",
       "invisible"},
      {"kit\xe2\x80\x8b", "invisible"},
      {"\xef\xbb\xbfkitchen", "invisible"},
  };
  for (const auto& [name, why] : names) {
    EXPECT_TRUE(fails_with(check_member_name(name), ErrorCode::kInvalid, why)) << name;
  }
}

// What parses is exactly what would be issued from its facts: there is one encoding.
TEST_F(Certificates, MutatedBytesNeverCrashAndNeverHaveTwoEncodings) {
  Random random(weft::test::test_seed(20261121));
  const Bytes good = bytes_of(issue(facts_of(identity_, "kitchen")));
  int accepted = 0;
  for (int i = 0; i < 2000; ++i) {
    const Bytes changed = test::mutated(good, random);
    EXPECT_TRUE(changed == good || !parse(changed).ok());
    const Bytes signed_bytes = resigned(changed);
    const Result<Certificate> read = parse(signed_bytes);
    if (!read.ok()) continue;
    ++accepted;
    EXPECT_EQ(bytes_of(issue(read->facts())), signed_bytes);
  }
  EXPECT_GT(accepted, 10) << "the mutations must reach the fields";
}

}  // namespace
}  // namespace weft::crypto

#include "crypto/roster.h"

#include <gtest/gtest.h>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::facts_of;
using test::fails_with;
using test::kDay;
using test::kNow;
using test::unwrap;

class Rosters : public ::testing::Test {
 protected:
  Certificate member(const Identity& identity, const std::string& name, uint64_t serial = 1) {
    return unwrap(Certificate::issue(facts_of(identity, name, serial), authority_.key()));
  }
  Result<Roster> issue(uint64_t epoch, std::vector<Certificate> members,
                       std::vector<NodeId> revoked = {}) {
    return Roster::issue(epoch, std::move(members), std::move(revoked), authority_.key());
  }
  Result<Roster> parse(ByteView bytes) { return Roster::parse(bytes, authority_.public_key()); }
  Roster three_members() {
    return unwrap(issue(5, {member(a_, "attic"), member(b_, "bath"), member(c_, "cellar")},
                        {revoked_.member_id(), random_id<NodeId>()}));
  }
  Bytes resigned(Bytes bytes) {
    bytes.resize(bytes.size() < 64 ? 0 : bytes.size() - 64);
    const Signature signature = authority_.key().sign(kRosterDomain, bytes);
    bytes.insert(bytes.end(), signature.bytes.begin(), signature.bytes.end());
    return bytes;
  }

  Authority authority_ = Authority::generate();
  Identity a_ = Identity::generate(), b_ = Identity::generate(), c_ = Identity::generate(),
           revoked_ = Identity::generate();
};

TEST_F(Rosters, ReadBackAsTheyWereIssued) {
  const Roster written = three_members();
  const Roster read = unwrap(parse(written.bytes()));
  EXPECT_EQ(read.epoch(), 5u);
  EXPECT_EQ(read.cluster_id(), authority_.cluster_id());
  EXPECT_EQ(read.members(), written.members());
  EXPECT_EQ(read.revoked(), written.revoked());
  EXPECT_EQ(read.bytes(), written.bytes());
}

TEST_F(Rosters, TheOrderOfMembersMakesNoDifference) {
  const Certificate a = member(a_, "attic"), b = member(b_, "bath");
  EXPECT_EQ(unwrap(issue(1, {a, b})).bytes(), unwrap(issue(1, {b, a})).bytes());
}

TEST_F(Rosters, FindMembersByIdNameAndLinkKey) {
  const Roster roster = three_members();
  EXPECT_EQ(roster.find(b_.member_id())->name(), "bath");
  EXPECT_EQ(roster.find_name("cellar")->member_id(), c_.member_id());
  EXPECT_EQ(roster.find_curve(a_.curve().public_key())->name(), "attic");
  EXPECT_EQ(roster.find(random_id<NodeId>()), nullptr);
  EXPECT_EQ(roster.find_name("garage"), nullptr);
  EXPECT_EQ(roster.find_curve(revoked_.curve().public_key()), nullptr);
  EXPECT_TRUE(roster.is_revoked(revoked_.member_id()));
  EXPECT_FALSE(roster.is_revoked(a_.member_id()));
}

TEST_F(Rosters, AdmitMembersByKeyWithinTheirDatesOnly) {
  const Roster roster = three_members();
  EXPECT_EQ(unwrap(roster.admit(b_.curve().public_key(), kNow))->member_id(), b_.member_id());
  EXPECT_TRUE(fails_with(roster.admit(b_.curve().public_key(), kNow + 400 * kDay),
                         ErrorCode::kDenied, "was valid until"));
  EXPECT_TRUE(fails_with(roster.admit(b_.curve().public_key(), kNow - 400 * kDay),
                         ErrorCode::kDenied, "is valid from"));
  EXPECT_TRUE(fails_with(roster.admit(revoked_.curve().public_key(), kNow), ErrorCode::kDenied,
                         "was revoked"));
  EXPECT_TRUE(fails_with(roster.admit(CurveKeys::generate().public_key(), kNow), ErrorCode::kDenied,
                         "no member"));
}

TEST_F(Rosters, EveryFlippedBitIsRefused) {
  const Bytes good = unwrap(issue(5, {member(a_, "attic")}, {revoked_.member_id()})).bytes();
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes changed = good;
    changed[bit / 8] ^= uint8_t(1 << bit % 8);
    EXPECT_FALSE(parse(changed).ok()) << "bit " << bit;
  }
}

TEST_F(Rosters, AnyOtherLengthIsRefused) {
  Bytes bytes = three_members().bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(fails_with(parse(ByteView(bytes).first(size)), ErrorCode::kCorrupt, "bytes"))
        << size;
  }
  bytes.push_back(0);
  EXPECT_TRUE(fails_with(parse(bytes), ErrorCode::kCorrupt, "its counts need"));
  EXPECT_TRUE(fails_with(parse(resigned(bytes)), ErrorCode::kCorrupt, "its counts need"));
  EXPECT_TRUE(fails_with(parse(Bytes(kRosterBytesMax + 1)), ErrorCode::kCorrupt, "bytes"));
}

TEST_F(Rosters, OfAnotherMeshOrAnotherHandAreRefused) {
  const Authority other = Authority::generate();
  const Roster foreign = unwrap(Roster::issue(1, {}, {}, other.key()));
  EXPECT_TRUE(fails_with(parse(foreign.bytes()), ErrorCode::kDenied, "another mesh"));
  Bytes bytes = three_members().bytes();
  bytes.resize(bytes.size() - 64);
  const Signature own = a_.signing().sign(kRosterDomain, bytes);
  bytes.insert(bytes.end(), own.bytes.begin(), own.bytes.end());
  EXPECT_TRUE(fails_with(parse(bytes), ErrorCode::kDenied, "signature is wrong"));
}

TEST_F(Rosters, CountsOverTheLimitsAreRefusedBeforeAnythingIsAllocated) {
  Bytes bytes = three_members().bytes();
  bytes[45] = bytes[46] = 0xFF;
  EXPECT_TRUE(fails_with(parse(bytes), ErrorCode::kCorrupt, "65535 members"));
}

TEST_F(Rosters, ContradictionsAreNeitherIssuedNorRead) {
  const Certificate attic = member(a_, "attic");
  EXPECT_TRUE(
      fails_with(issue(1, {attic, member(b_, "attic")}), ErrorCode::kConflict, "named 'attic'"));
  EXPECT_TRUE(
      fails_with(issue(1, {attic, member(a_, "bath", 2)}), ErrorCode::kConflict, "same id"));
  EXPECT_TRUE(fails_with(issue(1, {attic}, {a_.member_id()}), ErrorCode::kConflict, "was revoked"));
  MemberFacts stolen = facts_of(b_, "bath");
  stolen.curve = a_.curve().public_key();
  const Certificate thief = unwrap(Certificate::issue(stolen, authority_.key()));
  EXPECT_TRUE(fails_with(issue(1, {attic, thief}), ErrorCode::kConflict, "link key of another"));
  EXPECT_TRUE(fails_with(issue(0, {attic}), ErrorCode::kInvalid, "starts at 1"));

  // The same contradiction, signed by a careless authority: the two members out of order.
  Bytes bytes = unwrap(issue(1, {attic, member(b_, "bath")})).bytes();
  std::swap_ranges(bytes.begin() + kRosterHeaderBytes,
                   bytes.begin() + kRosterHeaderBytes + kCertificateBytes,
                   bytes.begin() + kRosterHeaderBytes + kCertificateBytes);
  EXPECT_TRUE(fails_with(parse(resigned(bytes)), ErrorCode::kCorrupt, "out of order"));
}

TEST_F(Rosters, OfTheGreatestSizeFitTheirLimitAndReadBack) {
  std::vector<Certificate> members;
  std::vector<NodeId> revoked;
  for (size_t i = 0; i < kMembersMax; ++i) {
    members.push_back(member(Identity::generate(), "device " + std::to_string(i)));
  }
  for (size_t i = 0; i < kRevokedMax; ++i) revoked.push_back(random_id<NodeId>());
  const Roster full = unwrap(issue(9, members, revoked));
  EXPECT_EQ(full.bytes().size(), kRosterBytesMax);
  EXPECT_EQ(unwrap(parse(full.bytes())).members().size(), kMembersMax);
  members.push_back(member(Identity::generate(), "one more"));
  EXPECT_TRUE(fails_with(issue(9, members), ErrorCode::kExhausted, "256"));
  revoked.push_back(random_id<NodeId>());
  EXPECT_TRUE(fails_with(issue(9, {}, revoked), ErrorCode::kExhausted, "1024"));
}

TEST_F(Rosters, ALaterOneIsTakenTheSameOneChangesNothingAnEarlierOneIsRefused) {
  const Roster first = unwrap(issue(1, {member(a_, "attic")}));
  const Roster second = unwrap(issue(2, {member(a_, "attic"), member(b_, "bath")}));
  EXPECT_EQ(unwrap(check_update(first, second)), RosterChange::kNewer);
  EXPECT_EQ(unwrap(check_update(second, second)), RosterChange::kSame);
  EXPECT_TRUE(fails_with(check_update(second, first), ErrorCode::kStale,
                         "epoch 1 was offered, this device has epoch 2"));
}

TEST_F(Rosters, TwoOfOneEpochRaiseAnAlarm) {
  const Roster one = unwrap(issue(2, {member(a_, "attic")}));
  const Roster other = unwrap(issue(2, {member(a_, "attic"), member(b_, "bath")}));
  EXPECT_TRUE(fails_with(check_update(one, other), ErrorCode::kConflict, "ALARM"));
  EXPECT_TRUE(fails_with(check_update(one, other), ErrorCode::kConflict,
                         "two different rosters of epoch 2"));
}

TEST_F(Rosters, ARevokedMemberThatIsBackRaisesAnAlarm) {
  const Roster without = unwrap(issue(3, {member(a_, "attic")}, {b_.member_id()}));
  const Roster back = unwrap(issue(4, {member(a_, "attic"), member(b_, "bath")}));
  EXPECT_TRUE(fails_with(check_update(without, back), ErrorCode::kConflict, "'bath' again"));
}

TEST_F(Rosters, TheHigherSerialOfAMemberWins) {
  const Roster now = unwrap(issue(3, {member(a_, "attic", 3)}));
  EXPECT_TRUE(check_update(now, unwrap(issue(4, {member(a_, "loft", 4)}))).ok());
  EXPECT_TRUE(fails_with(check_update(now, unwrap(issue(4, {member(a_, "attic", 2)}))),
                         ErrorCode::kConflict, "older certificate of 'attic'"));
}

TEST_F(Rosters, MutatedBytesNeverCrashAndNeverHaveTwoEncodings) {
  Random random(weft::test::test_seed(20261122));
  const Bytes good = three_members().bytes();
  int accepted = 0;
  for (int i = 0; i < 2000; ++i) {
    const Bytes changed = test::mutated(good, random);
    EXPECT_TRUE(changed == good || !parse(changed).ok());
    const Result<Roster> read = parse(resigned(changed));
    if (!read.ok()) continue;
    ++accepted;
    EXPECT_EQ(unwrap(issue(read->epoch(), read->members(), read->revoked())).bytes(),
              read->bytes());
  }
  EXPECT_GT(accepted, 10) << "the mutations must reach the fields";
}

}  // namespace
}  // namespace weft::crypto

#include "crypto/join.h"

#include <gtest/gtest.h>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::kNow;
using test::unwrap;

// An authority with an open invite, and a device that has read its code.
class Join : public ::testing::Test {
 protected:
  Join()
      : store_(unwrap(TrustStore::open(folder_ / "owner"))),
        joiner_store_(unwrap(TrustStore::open(folder_ / "joiner"))),
        identity_(unwrap(joiner_store_.identity())) {
    unwrap(store_.create_mesh("study", kNow));
    Invite invite = unwrap(store_.create_invite(kNow));
    code_ = invite.secret.code();
    inviter_ = std::make_unique<InviterSession>(store_, std::move(invite.secret));
  }

  JoinerSession joiner(const std::string& name = "kitchen", int64_t now = kNow) {
    return joiner_as(identity_, name, now);
  }
  JoinerSession joiner_as(const Identity& identity, const std::string& name, int64_t now = kNow) {
    return unwrap(
        JoinerSession::start(identity, name, unwrap(InviteSecret::from_code(code_)), now));
  }
  uint64_t epoch() { return unwrap(store_.load()).roster.epoch(); }

  weft::test::TemporaryFolder folder_;
  TrustStore store_, joiner_store_;
  Identity identity_;
  std::string code_;
  std::unique_ptr<InviterSession> inviter_;
};

TEST_F(Join, ADeviceWithTheCodeBecomesAMemberOnBothSides) {
  const JoinerSession device = joiner();
  EXPECT_EQ(device.server_key(), inviter_->server_keys().public_key());
  EXPECT_EQ(device.client_keys().public_key(), inviter_->client_key());
  const PendingJoin pending = unwrap(inviter_->on_request(device.request(), kNow + 30));
  EXPECT_EQ(pending.name, "kitchen");
  EXPECT_EQ(pending.digits, device.digits());
  EXPECT_EQ(pending.digits.size(), 6u);
  const Bytes reply = unwrap(inviter_->confirm(kNow + 60));
  const Joined joined = unwrap(device.on_reply(reply, kNow + 60));
  ASSERT_TRUE(joiner_store_.store_joined(joined.authority, joined.roster).ok());
  EXPECT_TRUE(inviter_->on_ack(joined.ack).ok());

  const Membership owner = unwrap(store_.load()), member = unwrap(joiner_store_.load());
  EXPECT_EQ(owner.roster.bytes(), member.roster.bytes());
  EXPECT_EQ(owner.roster.epoch(), 2u);
  EXPECT_EQ(member.self.name(), "kitchen");
  EXPECT_EQ(member.self.member_id(), pending.member_id);
  EXPECT_FALSE(member.holds_authority);
  EXPECT_TRUE(owner.holds_authority);
  EXPECT_EQ(unwrap(owner.roster.admit(identity_.curve().public_key(), kNow))->name(), "kitchen");
}

TEST_F(Join, TheLargestReplyFitsAFrame) {
  EXPECT_LE(kJoinReplyBytesMax, 256u * 1024);
}

TEST_F(Join, ARequestSentAgainAfterAReconnectGetsTheSameAnswer) {
  const JoinerSession device = joiner();
  const PendingJoin first = unwrap(inviter_->on_request(device.request(), kNow));
  EXPECT_EQ(unwrap(inviter_->on_request(device.request(), kNow)).digits, first.digits);
  const Bytes reply = unwrap(inviter_->confirm(kNow));
  EXPECT_TRUE(inviter_->on_request(device.request(), kNow).ok());
  EXPECT_EQ(unwrap(inviter_->confirm(kNow)), reply);
  EXPECT_EQ(epoch(), 2u);
}

TEST_F(Join, ACodeIsBurnedOnDiskBeforeTheReply) {
  const JoinerSession device = joiner();
  unwrap(inviter_->on_request(device.request(), kNow));
  unwrap(inviter_->confirm(kNow));
  // Another process, with nothing in memory, refuses the same code.
  TrustStore other = unwrap(TrustStore::open(folder_ / "owner"));
  InviterSession again(other, unwrap(InviteSecret::from_code(code_)));
  const Result<PendingJoin> second = again.on_request(device.request(), kNow);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kDenied);
  EXPECT_NE(second.error().message.find("used already"), std::string::npos);
}

TEST_F(Join, TwoSessionsWithOneCodeLetOneDeviceIn) {
  InviterSession other(store_, unwrap(InviteSecret::from_code(code_)));
  const Identity rival = Identity::generate();
  const JoinerSession first = joiner(), second = joiner_as(rival, "rival");
  unwrap(inviter_->on_request(first.request(), kNow));
  unwrap(other.on_request(second.request(), kNow));
  unwrap(inviter_->confirm(kNow));
  const Result<Bytes> late = other.confirm(kNow);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::kDenied);
  EXPECT_EQ(unwrap(store_.load()).roster.members().size(), 2u);
}

TEST_F(Join, ASecondDeviceThatSendsTheCodeWhileOneWaitsIsRefusedByName) {
  unwrap(inviter_->on_request(joiner().request(), kNow));
  const Identity rival = Identity::generate();
  const Result<PendingJoin> raced = inviter_->on_request(joiner_as(rival, "rival").request(), kNow);
  ASSERT_FALSE(raced.ok());
  EXPECT_EQ(raced.error().code, ErrorCode::kConflict);
  EXPECT_NE(raced.error().message.find("'kitchen'"), std::string::npos);
  EXPECT_NE(raced.error().message.find("'rival'"), std::string::npos);
}

TEST_F(Join, AnExpiredCodeIsRefusedBeforeAndAfterTheRequest) {
  const JoinerSession device = joiner("kitchen", kNow + 601);
  const Result<PendingJoin> late = inviter_->on_request(device.request(), kNow + 601);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::kTimeout);
  unwrap(inviter_->on_request(joiner().request(), kNow + 599));
  const Result<Bytes> confirmed = inviter_->confirm(kNow + 601);
  ASSERT_FALSE(confirmed.ok());
  EXPECT_EQ(confirmed.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(epoch(), 1u);
}

TEST_F(Join, ARejectedCodeIsBurnedAndTheJoinerReadsWhy) {
  const JoinerSession device = joiner();
  unwrap(inviter_->on_request(device.request(), kNow));
  const Bytes refusal = unwrap(inviter_->reject());
  const Result<Joined> refused = device.on_reply(refusal, kNow);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
  EXPECT_NE(refused.error().message.find("the owner said no"), std::string::npos);
  EXPECT_FALSE(inviter_->confirm(kNow).ok());
  EXPECT_FALSE(inviter_->on_request(device.request(), kNow).ok());
  InviterSession again(store_, unwrap(InviteSecret::from_code(code_)));
  EXPECT_FALSE(again.on_request(device.request(), kNow).ok());
  EXPECT_EQ(epoch(), 1u);
}

TEST_F(Join, ATakenNameIsRefusedAndTheCodeStaysGoodForAnother) {
  const Result<PendingJoin> taken = inviter_->on_request(joiner("study").request(), kNow);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().code, ErrorCode::kConflict);
  EXPECT_NE(taken.error().message.find("--name"), std::string::npos);
  const JoinerSession renamed = joiner("kitchen");
  unwrap(inviter_->on_request(renamed.request(), kNow));
  EXPECT_TRUE(renamed.on_reply(unwrap(inviter_->confirm(kNow)), kNow).ok());
}

TEST_F(Join, AJoinersClockAYearOffIsFoundBeforeTheCodeIsBurned) {
  constexpr int64_t kYear = 365 * 24 * 3600;
  const Result<PendingJoin> off =
      inviter_->on_request(joiner("kitchen", kNow - kYear).request(), kNow);
  ASSERT_FALSE(off.ok());
  EXPECT_EQ(off.error().code, ErrorCode::kDenied);
  EXPECT_NE(off.error().message.find("365 days apart"), std::string::npos) << off.error().message;
  EXPECT_TRUE(inviter_->on_request(joiner().request(), kNow).ok());
}

TEST_F(Join, AJoinerRefusesACertificateThatItsClockContradicts) {
  const JoinerSession device = joiner();
  unwrap(inviter_->on_request(device.request(), kNow));
  const Bytes reply = unwrap(inviter_->confirm(kNow));
  const Result<Joined> early = device.on_reply(reply, kNow - 30 * 24 * 3600);
  ASSERT_FALSE(early.ok());
  EXPECT_NE(early.error().message.find("30 days earlier"), std::string::npos);
}

TEST_F(Join, ADeviceWhoseReplyWasLostJoinsAgainUnderTheSameId) {
  unwrap(inviter_->on_request(joiner().request(), kNow));
  unwrap(inviter_->confirm(kNow));
  Invite next = unwrap(store_.create_invite(kNow + 60));
  code_ = next.secret.code();
  InviterSession again(store_, std::move(next.secret));
  const JoinerSession device = joiner("pantry", kNow + 60);
  unwrap(again.on_request(device.request(), kNow + 60));
  const Joined joined = unwrap(device.on_reply(unwrap(again.confirm(kNow + 60)), kNow + 60));
  EXPECT_EQ(joined.roster.members().size(), 2u);
  EXPECT_EQ(joined.roster.find_name("kitchen"), nullptr);
  EXPECT_GT(joined.certificate.serial(), 2u);
}

TEST_F(Join, ARequestMadeForAnotherCodeIsRefused) {
  const JoinerSession device =
      unwrap(JoinerSession::start(identity_, "kitchen", InviteSecret::generate(), kNow));
  const Result<PendingJoin> foreign = inviter_->on_request(device.request(), kNow);
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().code, ErrorCode::kDenied);
}

TEST_F(Join, EveryBitOfARequestMatters) {
  const JoinerSession device = joiner();
  const CurveKey server = device.server_key();
  ASSERT_TRUE(parse_join_request(device.request(), server).ok());
  for (size_t bit = 0; bit < device.request().size() * 8; ++bit) {
    Bytes changed = device.request();
    changed[bit / 8] ^= uint8_t(1 << bit % 8);
    EXPECT_FALSE(parse_join_request(changed, server).ok()) << "bit " << bit;
  }
}

TEST_F(Join, ARequestOfAnyOtherLengthIsRefused) {
  const JoinerSession device = joiner();
  Bytes longer = device.request();
  longer.push_back(0);
  EXPECT_EQ(parse_join_request(longer, device.server_key()).error().code, ErrorCode::kCorrupt);
  for (size_t size = 0; size < device.request().size(); ++size) {
    EXPECT_FALSE(
        parse_join_request(ByteView(device.request()).first(size), device.server_key()).ok());
  }
}

TEST_F(Join, AnotherVersionIsRefusedInWordsThatSaySo) {
  Bytes request = joiner().request();
  request[5] = 9;
  const auto parsed = parse_join_request(request, inviter_->server_keys().public_key());
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(parsed.error().message.find("version 9"), std::string::npos);
}

TEST_F(Join, AnUnusableLinkKeyIsRefused) {
  JoinRequest request{random_id<JoinNonce>(), kNow, identity_.signing().public_key(), CurveKey{},
                      "kitchen"};
  const CurveKey server = inviter_->server_keys().public_key();
  const Bytes bytes = encode_join_request(request, identity_.signing(), server);
  EXPECT_EQ(parse_join_request(bytes, server).error().code, ErrorCode::kInvalid);
}

TEST_F(Join, AHostileInviterCannotMakeTheJoinerStoreWhatIsNotItsOwn) {
  const JoinerSession device = joiner();
  unwrap(inviter_->on_request(device.request(), kNow));
  const Bytes reply = unwrap(inviter_->confirm(kNow));
  const JoinerSession later = joiner();
  EXPECT_NE(later.on_reply(reply, kNow).error().message.find("another request"), std::string::npos);
  const Identity rival = Identity::generate();
  EXPECT_FALSE(joiner_as(rival, "kitchen").on_reply(reply, kNow).ok());
  for (size_t bit = 0; bit < reply.size() * 8; ++bit) {
    Bytes changed = reply;
    changed[bit / 8] ^= uint8_t(1 << bit % 8);
    EXPECT_FALSE(device.on_reply(changed, kNow).ok()) << "bit " << bit;
  }
  for (size_t size = 0; size < reply.size(); size += 7) {
    EXPECT_FALSE(device.on_reply(ByteView(reply).first(size), kNow).ok()) << "size " << size;
  }
  Bytes longer = reply;
  longer.push_back(0);
  EXPECT_FALSE(device.on_reply(longer, kNow).ok());
}

TEST_F(Join, ARefusalCannotDriveTheJoinersTerminal) {
  const Bytes refusal =
      InviterSession::refusal(Error(ErrorCode::kDenied, "no\x1b[2J" + std::string(5000, 'x')));
  const Result<Joined> refused = joiner().on_reply(refusal, kNow);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message.find('\x1b'), std::string::npos);
  EXPECT_LT(refused.error().message.size(), kRefusalTextMax + 100);
  Bytes unknown = refusal;
  unknown[7] = 200;
  EXPECT_EQ(joiner().on_reply(unknown, kNow).error().code, ErrorCode::kCorrupt);
}

TEST_F(Join, BadRequestsAreLookedAtAFixedNumberOfTimes) {
  const Bytes garbage(100, 7);
  for (int i = 0; i < kJoinRequestsMax; ++i) EXPECT_FALSE(inviter_->on_request(garbage, kNow).ok());
  const Result<PendingJoin> last = inviter_->on_request(joiner().request(), kNow);
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code, ErrorCode::kExhausted);
}

TEST_F(Join, NothingIsConfirmedBeforeARequest) {
  EXPECT_EQ(inviter_->confirm(kNow).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(inviter_->on_ack({}).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace weft::crypto

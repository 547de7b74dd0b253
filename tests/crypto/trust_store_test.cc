#include "crypto/trust_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::fails_with;
using test::kDay;
using test::kNow;
using test::unwrap;

Candidate candidate_of(const Identity& identity, const std::string& name) {
  return {identity.signing().public_key(), identity.curve().public_key(), name};
}

class Trust : public ::testing::Test {
 protected:
  Trust() : store_(unwrap(TrustStore::open(path_))) {}

  void create() { recovery_code_ = unwrap(store_.create_mesh("study", kNow)).recovery_code; }
  // A second device that has joined.
  TrustStore joined(const std::string& name) {
    TrustStore other = unwrap(TrustStore::open(folder_ / name));
    const Identity identity = unwrap(other.identity());
    const Admission admission = unwrap(store_.add_member(candidate_of(identity, name), kNow));
    EXPECT_TRUE(other.store_joined(admission.authority, admission.roster).ok());
    return other;
  }
  Roster roster() { return unwrap(store_.load()).roster; }
  Authority authority() { return unwrap(Authority::from_recovery_code(recovery_code_)); }

  weft::test::TemporaryFolder folder_;
  const std::string path_ = folder_ / "owner";
  TrustStore store_;
  std::string recovery_code_;
};

TEST_F(Trust, AnIdentityIsMadeOnceAndKept) {
  const VerifyKey first = unwrap(store_.identity()).signing().public_key();
  TrustStore again = unwrap(TrustStore::open(path_));
  EXPECT_EQ(unwrap(again.identity()).signing().public_key(), first);
  struct stat status;
  ASSERT_EQ(::stat((path_ + "/identity.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(Trust, BeforeAMeshThereIsAnErrorThatSaysHowToGetOne) {
  EXPECT_FALSE(unwrap(store_.in_mesh()));
  EXPECT_EQ(unwrap(store_.stored_epoch()), 0u);
  EXPECT_TRUE(fails_with(store_.load(), ErrorCode::kNotFound, "weft init"));
  EXPECT_TRUE(fails_with(store_.create_invite(kNow), ErrorCode::kNotFound, "weft join CODE"));
}

TEST_F(Trust, ANewMeshHasItsMakerAsFirstMember) {
  create();
  const Membership membership = unwrap(store_.load());
  EXPECT_EQ(membership.self.name(), "study");
  EXPECT_EQ(membership.self.roles(), kRolesOfMember | kRoleAuthority);
  EXPECT_TRUE(membership.holds_authority);
  EXPECT_EQ(membership.roster.epoch(), 1u);
  EXPECT_EQ(membership.roster.cluster_id(), cluster_id_of(membership.authority));
  EXPECT_EQ(unwrap(store_.stored_epoch()), 1u);
  EXPECT_EQ(authority().public_key(), membership.authority);
}

TEST_F(Trust, AFolderIsInOneMeshOnly) {
  create();
  EXPECT_TRUE(fails_with(store_.create_mesh("again", kNow), ErrorCode::kConflict, "--dir"));
  const Authority other = Authority::generate();
  const Roster foreign = unwrap(Roster::issue(1, {}, {}, other.key()));
  EXPECT_TRUE(fails_with(store_.store_joined(other.public_key(), foreign), ErrorCode::kConflict,
                         "already"));
}

TEST_F(Trust, ABadNameMakesNoMesh) {
  EXPECT_EQ(store_.create_mesh("a\nb", kNow).error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(unwrap(store_.in_mesh()));
}

TEST_F(Trust, MembersAreAddedWithRisingEpochsAndSerials) {
  create();
  joined("kitchen");
  joined("pantry");
  EXPECT_EQ(roster().epoch(), 3u);
  EXPECT_EQ(roster().members().size(), 3u);
  EXPECT_EQ(roster().find_name("pantry")->serial(), 3u);
}

TEST_F(Trust, OnlyTheAuthoritysDeviceChangesTheRosterAndOthersSayWhoThatIs) {
  create();
  TrustStore kitchen = joined("kitchen");
  EXPECT_TRUE(fails_with(kitchen.create_invite(kNow), ErrorCode::kDenied, "on 'study'"));
  EXPECT_TRUE(fails_with(kitchen.revoke("study"), ErrorCode::kDenied, "on 'study'"));
  EXPECT_TRUE(fails_with(kitchen.renew(kNow), ErrorCode::kDenied, "on 'study'"));
}

TEST_F(Trust, ARevokedMemberIsOutEverywhereAndLearnsIt) {
  create();
  TrustStore kitchen = joined("kitchen");
  const CurveKey key = unwrap(kitchen.load()).self.curve();
  const Roster next = unwrap(store_.revoke("kitchen"));
  EXPECT_EQ(next.epoch(), 3u);
  EXPECT_EQ(roster().bytes(), next.bytes());
  EXPECT_TRUE(fails_with(next.admit(key, kNow), ErrorCode::kDenied, "revoked"));
  EXPECT_EQ(unwrap(kitchen.apply_roster(next.bytes())), RosterChange::kNewer);
  EXPECT_TRUE(fails_with(kitchen.load(), ErrorCode::kDenied, "this device was revoked"));
}

TEST_F(Trust, ARevokedIdentityDoesNotComeBackButItsDeviceMayWithANewOne) {
  create();
  TrustStore kitchen = joined("kitchen");
  const Identity old = unwrap(kitchen.identity());
  unwrap(store_.revoke("kitchen"));
  EXPECT_TRUE(fails_with(store_.add_member(candidate_of(old, "kitchen"), kNow),
                         ErrorCode::kConflict, "new identity"));
  ASSERT_TRUE(kitchen.leave().ok());
  EXPECT_NE(unwrap(kitchen.identity()).member_id(), old.member_id());
  joined("kitchen");
  EXPECT_EQ(roster().members().size(), 2u);
}

TEST_F(Trust, RevokingNamesWhatItCannotRevoke) {
  create();
  joined("kitchen");
  EXPECT_TRUE(fails_with(store_.revoke("kitschen"), ErrorCode::kNotFound, "'kitchen'"));
  EXPECT_TRUE(fails_with(store_.revoke("study"), ErrorCode::kInvalid, "cannot revoke itself"));
  EXPECT_EQ(roster().epoch(), 2u);
}

TEST_F(Trust, TheAuthoritysDeviceDoesNotLeaveByAccident) {
  create();
  EXPECT_TRUE(fails_with(store_.leave(), ErrorCode::kDenied, "authority key"));
  EXPECT_TRUE(unwrap(store_.in_mesh()));
}

TEST_F(Trust, ARollbackIsRefusedAndTheStoredRosterStands) {
  create();
  TrustStore kitchen = joined("kitchen");
  const Bytes old = roster().bytes();
  joined("pantry");
  EXPECT_EQ(unwrap(kitchen.apply_roster(roster().bytes())), RosterChange::kNewer);
  EXPECT_EQ(unwrap(kitchen.apply_roster(roster().bytes())), RosterChange::kSame);
  EXPECT_TRUE(fails_with(kitchen.apply_roster(old), ErrorCode::kStale, "epoch 2 was offered"));
  EXPECT_EQ(unwrap(kitchen.load()).roster.epoch(), 3u);
  EXPECT_FALSE(unwrap(kitchen.alarm()).has_value());
}

TEST_F(Trust, TwoRostersOfOneEpochStopJoinsUntilTheOwnerHasLooked) {
  create();
  Invite invite = unwrap(store_.create_invite(kNow));
  const Roster current = roster();
  const Roster forged = unwrap(Roster::issue(current.epoch(), {}, {}, authority().key()));
  EXPECT_TRUE(fails_with(store_.apply_roster(forged.bytes()), ErrorCode::kConflict, "ALARM"));
  EXPECT_EQ(roster().bytes(), current.bytes());
  TrustStore later = unwrap(TrustStore::open(path_));
  EXPECT_NE(unwrap(later.alarm()).value().find("two different rosters"), std::string::npos);
  EXPECT_TRUE(fails_with(later.create_invite(kNow), ErrorCode::kConflict, "joins are stopped"));
  const Candidate candidate = candidate_of(Identity::generate(), "kitchen");
  EXPECT_TRUE(fails_with(later.admit(invite.secret.id(), candidate, kNow), ErrorCode::kConflict,
                         "joins are stopped"));
  ASSERT_TRUE(later.clear_alarm().ok());
  EXPECT_TRUE(later.admit(invite.secret.id(), candidate, kNow).ok());
}

TEST_F(Trust, AnUnsignedRosterRaisesNoAlarm) {
  create();
  Bytes bytes = roster().bytes();
  bytes.back() ^= 1;
  EXPECT_EQ(store_.apply_roster(bytes).error().code, ErrorCode::kDenied);
  EXPECT_FALSE(unwrap(store_.alarm()).has_value());
}

TEST_F(Trust, AFailedAdmissionLeavesTheCodeGood) {
  create();
  const Invite invite = unwrap(store_.create_invite(kNow));
  const Digest id = invite.secret.id();
  const Identity device = Identity::generate();
  EXPECT_EQ(store_.admit(id, candidate_of(device, "study"), kNow).error().code,
            ErrorCode::kConflict);
  EXPECT_EQ(store_.admit(random_id<Digest>(), candidate_of(device, "kitchen"), kNow).error().code,
            ErrorCode::kNotFound);
  EXPECT_TRUE(store_.can_admit(id, candidate_of(device, "kitchen"), kNow).ok());
  EXPECT_TRUE(store_.admit(id, candidate_of(device, "kitchen"), kNow).ok());
  EXPECT_EQ(store_.can_admit(id, candidate_of(device, "kitchen"), kNow).error().code,
            ErrorCode::kDenied);
}

TEST_F(Trust, AnAuthorityWhoseClockIsAYearOffLetsNobodyIn) {
  create();
  const Candidate candidate = candidate_of(Identity::generate(), "kitchen");
  EXPECT_TRUE(
      fails_with(store_.create_invite(kNow - 365 * kDay), ErrorCode::kDenied, "365 days earlier"));
  EXPECT_TRUE(fails_with(store_.add_member(candidate, kNow + 2 * 365 * kDay), ErrorCode::kDenied,
                         "365 days later"));
}

TEST_F(Trust, CertificatesAreRenewedBeforeTheyEndAndNotAfterAClockJump) {
  create();
  joined("kitchen");
  EXPECT_EQ(unwrap(store_.renew(kNow + 300 * kDay)).epoch(), 2u) << "nothing ends soon";
  const Roster renewed = unwrap(store_.renew(kNow + 310 * kDay));
  EXPECT_EQ(renewed.epoch(), 3u);
  EXPECT_EQ(renewed.find_name("kitchen")->not_after(), kNow + (310 + 365) * kDay);
  EXPECT_EQ(renewed.find_name("kitchen")->serial(), 3u);
  EXPECT_EQ(renewed.find_name("study")->roles(), kRolesOfMember | kRoleAuthority);
  EXPECT_TRUE(fails_with(store_.renew(kNow + 3000 * kDay), ErrorCode::kDenied, "clock"));
  EXPECT_EQ(unwrap(store_.renew(kNow + 3000 * kDay, true)).epoch(), 4u);
}

TEST_F(Trust, ARecoveryCodeMakesAnotherMemberTheAuthority) {
  create();
  TrustStore kitchen = joined("kitchen");
  EXPECT_TRUE(
      fails_with(kitchen.restore_authority(Authority::generate().recovery_code(), "kitchen", kNow),
                 ErrorCode::kDenied, "of mesh"));
  ASSERT_TRUE(kitchen.restore_authority(recovery_code_, "kitchen", kNow).ok());
  EXPECT_TRUE(unwrap(kitchen.load()).holds_authority);
  const Roster next = unwrap(kitchen.revoke("study"));
  EXPECT_EQ(unwrap(store_.apply_roster(next.bytes())), RosterChange::kNewer);
  EXPECT_TRUE(fails_with(store_.load(), ErrorCode::kDenied, "revoked"));
}

TEST_F(Trust, ARecoveryCodeAloneStartsTheMeshAgainWithALaterEpoch) {
  create();
  joined("kitchen");
  TrustStore fresh = unwrap(TrustStore::open(folder_ / "fresh"));
  ASSERT_TRUE(fresh.restore_authority(recovery_code_, "desk", kNow).ok());
  const Membership membership = unwrap(fresh.load());
  EXPECT_EQ(membership.roster.cluster_id(), roster().cluster_id());
  EXPECT_EQ(unwrap(check_update(roster(), membership.roster)), RosterChange::kNewer);
}

TEST_F(Trust, DamagedFilesAreNamed) {
  create();
  for (const char* name : {"mesh", "identity.key"}) {
    const std::string file = path_ + "/" + name;
    const Bytes good = unwrap(read_file(file, 1 << 20));
    Bytes bad = good;
    bad[good.size() / 2] ^= 1;
    ASSERT_TRUE(write_file_atomic(file, bad, 0600).ok());
    EXPECT_TRUE(fails_with(store_.load(), ErrorCode::kCorrupt, file));
    ASSERT_TRUE(write_file_atomic(file, ByteView(good).first(good.size() - 1), 0600).ok());
    EXPECT_TRUE(fails_with(store_.load(), ErrorCode::kCorrupt, file));
    ASSERT_TRUE(write_file_atomic(file, good, 0600).ok());
    ASSERT_TRUE(store_.load().ok());
  }
}

TEST_F(Trust, KeysThatOthersMayReadOrThatAreLinksStopEverything) {
  create();
  const std::string key = path_ + "/identity.key";
  ASSERT_EQ(::chmod(key.c_str(), 0644), 0);
  EXPECT_TRUE(fails_with(store_.load(), ErrorCode::kDenied, "chmod 600"));
  EXPECT_TRUE(fails_with(store_.identity(), ErrorCode::kDenied, "chmod 600"));
  std::filesystem::rename(key, path_ + "/moved");
  std::filesystem::create_symlink(path_ + "/moved", key);
  EXPECT_TRUE(fails_with(store_.load(), ErrorCode::kDenied, "is a link"));
  EXPECT_TRUE(fails_with(store_.identity(), ErrorCode::kDenied, "is a link"));
}

TEST_F(Trust, CommandsAtTheSameTimeDoNotLoseEachOthersMembers) {
  create();
  constexpr int kThreads = 4, kMembersEach = 5;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TrustStore own = unwrap(TrustStore::open(path_));
      for (int i = 0; i < kMembersEach; ++i) {
        const Identity device = Identity::generate();
        unwrap(own.add_member(candidate_of(device, std::to_string(t * 100 + i)), kNow));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(roster().members().size(), 1u + kThreads * kMembersEach);
  EXPECT_EQ(roster().epoch(), 1u + kThreads * kMembersEach);
}

// Runs `operation` in children that are killed at the first, second, ... point of writing, until
// one ends by itself; after each, `check` looks at what is left. Returns the number of kills.
template <typename Operation, typename Check>
int kill_at_every_point(TrustStore& store, Operation operation, Check check) {
  for (int deadly = 0;; ++deadly) {
    const pid_t child = ::fork();
    if (child == 0) {
      int point = 0;
      store.folder().set_write_fault([&](WriteStep) -> Result<> {
        if (point++ == deadly) ::_exit(9);
        return {};
      });
      ::_exit(operation(store) ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    check();
    if (WEXITSTATUS(status) != 9) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      return deadly;
    }
  }
}

TEST_F(Trust, AKillWhileAMeshIsMadeLeavesNoneOrAWholeOne) {
  const int kills = kill_at_every_point(
      store_,
      [](TrustStore& store) {
        const auto known = store.in_mesh();
        return known.ok() && (*known || store.create_mesh("study", kNow).ok());
      },
      [&] {
        const Result<Membership> loaded = store_.load();
        EXPECT_TRUE(loaded.ok() || loaded.error().code == ErrorCode::kNotFound);
      });
  EXPECT_GE(kills, 10);
  EXPECT_TRUE(store_.load().ok());
}

TEST_F(Trust, AKillWhileAMemberIsAdmittedLeavesTheOldRosterOrTheNewAndNeverTwoUsesOfACode) {
  create();
  const Candidate candidate = candidate_of(Identity::generate(), "kitchen");
  const int kills = kill_at_every_point(
      store_,
      [&](TrustStore& store) {
        // Each try starts with a new code; a member that is there already is given a new
        // certificate.
        const auto invite = store.create_invite(kNow);
        return invite.ok() && store.admit(invite->secret.id(), candidate, kNow).ok();
      },
      [&] {
        const Result<Membership> loaded = store_.load();
        ASSERT_TRUE(loaded.ok()) << loaded.error().message;
        EXPECT_EQ(loaded->roster.members().size(), loaded->roster.epoch() > 1 ? 2u : 1u);
      });
  EXPECT_EQ(kills, 15) << "three files of five points";
  const InviteBook book =
      unwrap(InviteBook::decode(unwrap(store_.folder().read("invites", 1 << 16))));
  size_t burned = 0;
  for (const auto& entry : book.entries()) burned += entry.state == InviteBook::State::kBurned;
  EXPECT_GE(burned + 1, roster().epoch()) << "each new roster was paid for by a code";
}

TEST_F(Trust, AFullDiskLeavesTheOldRosterAndSaysWhy) {
  create();
  store_.folder().set_write_fault([](WriteStep step) -> Result<> {
    if (step == WriteStep::kWrite) return system_error("write", "mesh.new", ENOSPC);
    return {};
  });
  const Candidate candidate = candidate_of(Identity::generate(), "kitchen");
  EXPECT_TRUE(fails_with(store_.add_member(candidate, kNow), ErrorCode::kIo, "No space left"));
  EXPECT_EQ(roster().epoch(), 1u);
  store_.folder().set_write_fault({});
  EXPECT_TRUE(store_.add_member(candidate, kNow).ok());
}

}  // namespace
}  // namespace weft::crypto

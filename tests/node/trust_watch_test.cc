#include "node/trust_watch.h"

#include <gtest/gtest.h>

#include "tests/crypto/crypto_test_support.h"

namespace weft::node {
namespace {

using crypto::test::kDay;
using crypto::test::kNow;
using crypto::test::unwrap;

class TrustWatchTest : public ::testing::Test {
 protected:
  TrustWatchTest() : store_(unwrap(crypto::TrustStore::open(folder_ / "trust"))) {
    recovery_code_ = unwrap(store_.create_mesh("study", kNow)).recovery_code;
  }
  int64_t not_after() { return unwrap(store_.load()).self.not_after(); }
  uint64_t epoch() { return unwrap(store_.stored_epoch()); }

  test::TemporaryFolder folder_;
  crypto::TrustStore store_;
  std::string recovery_code_;
  Time now_{1};
};

TEST_F(TrustWatchTest, TheAuthorityRenewsItsOwnCertificateWhenItIsDueAndNotBefore) {
  TrustWatch watch(store_);
  const int64_t first_end = not_after();
  watch.tick(true, now_, kNow + 300 * kDay);
  EXPECT_EQ(not_after(), first_end);
  EXPECT_EQ(epoch(), 1u);

  const int64_t due = first_end - crypto::kRenewBeforeSeconds + 1;
  watch.tick(true, now_ + seconds(1), due);
  EXPECT_EQ(epoch(), 1u) << "it looks once a day";
  watch.tick(true, now_ + kRenewEvery, due);
  EXPECT_GT(not_after(), first_end);
  EXPECT_EQ(epoch(), 2u);
}

TEST_F(TrustWatchTest, TheFirstLookIsAtTheStart) {
  TrustWatch watch(store_);
  watch.tick(true, now_, not_after() - kDay);
  EXPECT_EQ(epoch(), 2u);
}

TEST_F(TrustWatchTest, AMemberWithoutTheAuthorityRenewsNothing) {
  TrustWatch watch(store_);
  watch.tick(false, now_, not_after() - kDay);
  EXPECT_EQ(epoch(), 1u);
}

TEST_F(TrustWatchTest, AClockOutsideTheCertificateChangesNothing) {
  TrustWatch watch(store_);
  watch.tick(true, now_, not_after() + 60 * kDay);
  watch.tick(true, now_ + kRenewEvery, kNow - 60 * kDay);
  EXPECT_EQ(epoch(), 1u);
}

TEST_F(TrustWatchTest, TheAlarmIsSeenAndItsEndToo) {
  TrustWatch watch(store_);
  watch.tick(true, now_, kNow);
  EXPECT_EQ(watch.alarm(), "");
  // Another roster of the same epoch, as a copied authority key would make it.
  const auto authority = unwrap(crypto::Authority::from_recovery_code(recovery_code_));
  const auto other = unwrap(crypto::Roster::issue(1, {}, {}, authority.key()));
  EXPECT_EQ(store_.apply_roster(other.bytes()).error().code, ErrorCode::kConflict);
  watch.tick(true, now_ + seconds(1), kNow);
  EXPECT_NE(watch.alarm().find("two different rosters"), std::string::npos) << watch.alarm();
  ASSERT_TRUE(store_.clear_alarm().ok());
  watch.tick(true, now_ + seconds(2), kNow);
  EXPECT_EQ(watch.alarm(), "");
}

}  // namespace
}  // namespace weft::node

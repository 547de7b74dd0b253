#include "crypto/dates.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/crypto/crypto_test_support.h"

namespace weft::crypto {
namespace {

using test::fails_with;
using test::kDay;
using test::kNow;

constexpr int64_t kYear = 365 * kDay;
constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
constexpr int64_t kLast = std::numeric_limits<int64_t>::max();

TEST(Dates, AreShownInUtc) {
  EXPECT_EQ(format_date(kNow), "2026-11-21 09:30 UTC");
  EXPECT_EQ(format_date(0), "1970-01-01 00:00 UTC");
  EXPECT_EQ(format_date(1709164800), "2024-02-29 00:00 UTC");
  EXPECT_EQ(format_date(kLast), "9999-12-31 23:59 UTC");
  EXPECT_EQ(format_date(kFirst), "1970-01-01 00:00 UTC");
}

TEST(Dates, HoldWithinADayOfTolerance) {
  const auto check = [](int64_t now) { return check_dates("it", kNow, kNow + kYear, now).ok(); };
  EXPECT_TRUE(check(kNow));
  EXPECT_TRUE(check(kNow - kDay));
  EXPECT_FALSE(check(kNow - kDay - 1));
  EXPECT_TRUE(check(kNow + kYear + kDay));
  EXPECT_FALSE(check(kNow + kYear + kDay + 1));
}

TEST(Dates, AClockAYearBehindIsNamedAsTheCause) {
  const auto early = check_dates("the certificate of 'kitchen'", kNow, kNow + kYear, kNow - kYear);
  EXPECT_TRUE(fails_with(early, ErrorCode::kDenied, "365 days earlier"));
  EXPECT_TRUE(fails_with(early, ErrorCode::kDenied, "2026-11-21 09:30 UTC"));
  EXPECT_TRUE(fails_with(early, ErrorCode::kDenied, "2025-11-21 09:30 UTC"));
  EXPECT_TRUE(fails_with(early, ErrorCode::kDenied, "timedatectl set-ntp true"));
}

TEST(Dates, AnExpiredCertificateNamesBothTheClockAndTheRenewal) {
  const auto late =
      check_dates("the certificate of 'kitchen'", kNow, kNow + kYear, kNow + 2 * kYear);
  EXPECT_TRUE(fails_with(late, ErrorCode::kDenied, "365 days later"));
  EXPECT_TRUE(fails_with(late, ErrorCode::kDenied, "timedatectl"));
  EXPECT_TRUE(fails_with(late, ErrorCode::kDenied, "weft members --renew"));
}

TEST(Dates, ExtremeClocksNeitherOverflowNorPass) {
  EXPECT_FALSE(check_dates("it", kNow, kNow + kYear, kFirst).ok());
  EXPECT_FALSE(check_dates("it", kNow, kNow + kYear, kLast).ok());
  EXPECT_FALSE(check_dates("it", kFirst, kFirst + 1, kNow).ok());
  EXPECT_FALSE(check_clocks(kFirst, "it", kLast).ok());
}

TEST(Dates, TwoClocksMayBeADayApart) {
  EXPECT_TRUE(check_clocks(kNow, "'kitchen'", kNow + kDay).ok());
  EXPECT_TRUE(check_clocks(kNow, "'kitchen'", kNow - kDay).ok());
  EXPECT_TRUE(fails_with(check_clocks(kNow, "'kitchen'", kNow - kDay - 1), ErrorCode::kDenied,
                         "24 hours apart"));
  EXPECT_TRUE(fails_with(check_clocks(kNow, "'kitchen'", kNow + kYear), ErrorCode::kDenied,
                         "the clock of 'kitchen' says 2027-11-21"));
}

}  // namespace
}  // namespace weft::crypto

#include "discovery/source_limiter.h"

#include <gtest/gtest.h>

namespace weft::discovery::test {
namespace {

constexpr Time kStart{1'000'000'000'000};

IpAddress source(uint32_t number) {
  return IpAddress::v4(10, uint8_t(number >> 16), uint8_t(number >> 8), uint8_t(number));
}

int admitted(SourceLimiter& limiter, const IpAddress& from, int packets, Time now) {
  int count = 0;
  for (int i = 0; i < packets; ++i) count += limiter.admit(1, from, now) ? 1 : 0;
  return count;
}

TEST(SourceLimiter, OneSourceHasABurstAndThenARate) {
  SourceLimiter limiter;
  EXPECT_EQ(admitted(limiter, source(1), 1000, kStart), int(kSourcePacketBurst));
  EXPECT_EQ(admitted(limiter, source(1), 1000, kStart + seconds(1)), int(kSourcePacketsPerSecond));
}

TEST(SourceLimiter, AFloodFromInventedSourcesCannotStarveOrEvictAKnownOne) {
  SourceLimiter limiter;
  Time now = kStart;
  ASSERT_TRUE(limiter.admit(1, source(0), now));
  int strangers = 0;
  for (uint32_t second = 0; second < 600; ++second) {
    now = now + seconds(1);
    for (uint32_t i = 0; i < 1000; ++i)
      strangers += limiter.admit(1, source(1 + second * 1000 + i), now);
    if (second % 100 == 0) {
      EXPECT_TRUE(limiter.admit(1, source(0), now)) << second;
    }
    ASSERT_LE(limiter.source_count(), kSourcesMax);
  }
  EXPECT_LE(strangers, int(kNewSourceBurst + kNewSourcesPerSecond * 600));
}

TEST(SourceLimiter, ASilentSourceMakesRoom) {
  SourceLimiter limiter;
  Time now = kStart;
  for (uint32_t i = 0; i < kSourcesMax; ++i) {
    now = now + milliseconds(100);
    ASSERT_TRUE(limiter.admit(1, source(i), now));
  }
  EXPECT_FALSE(limiter.admit(1, source(9999), now + seconds(1)));
  EXPECT_TRUE(limiter.admit(1, source(9999), now + kSourceIdle));
  EXPECT_EQ(limiter.source_count(), kSourcesMax);
}

TEST(SourceLimiter, TheSameAddressOnAnotherLinkIsAnotherSource) {
  SourceLimiter limiter;
  admitted(limiter, source(1), 1000, kStart);
  EXPECT_TRUE(limiter.admit(2, source(1), kStart));
}

}  // namespace
}  // namespace weft::discovery::test

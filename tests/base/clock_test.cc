#include "base/clock.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Clock, NeverGoesBackAndKnowsTheDate) {
  const SystemClock clock;
  const Time first = clock.now();
  EXPECT_GE(clock.now(), first);
  EXPECT_GT(clock.unix_seconds(), 1'700'000'000);
}

TEST(Clock, TimesAndDurationsAdd) {
  const Time start{5};
  EXPECT_EQ((start + milliseconds(2)).ns, 2'000'005);
  EXPECT_EQ((start + seconds(1)) - start, Duration(seconds(1)));
  EXPECT_DOUBLE_EQ(to_seconds(milliseconds(250)), 0.25);
  EXPECT_DOUBLE_EQ(to_milliseconds(microseconds(1500)), 1.5);
}

}  // namespace
}  // namespace weft

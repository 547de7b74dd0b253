#include "node/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace weft::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SetClock final : public Clock {
 public:
  Time now() const override { return time; }
  int64_t unix_seconds() const override { return 0; }
  Time time{};
};

struct Shown {
  SetClock clock;
  std::vector<std::string> texts;
  Progress::Output output(bool terminal) {
    return {[this](std::string_view text) { texts.emplace_back(text); }, terminal};
  }
};

TEST(Progress, ShowsNothingOfWorkThatEndsWithinTwoSeconds) {
  Shown shown;
  {
    Progress progress("x", Progress::Unit::kPercent, shown.clock, shown.output(true));
    for (int i = 0; i < 20; ++i) {
      progress.update(uint64_t(i), 20);
      shown.clock.time = shown.clock.time + milliseconds(99);
    }
  }
  EXPECT_THAT(shown.texts, IsEmpty());
}

TEST(Progress, WritesPlainLinesNowAndThenWhereThereIsNoTerminal) {
  Shown shown;
  {
    Progress progress("writing m", Progress::Unit::kBytes, shown.clock, shown.output(false));
    for (int i = 0; i < 50; ++i) {
      progress.update(uint64_t(i) << 20, 100 << 20);
      shown.clock.time = shown.clock.time + milliseconds(100);
    }
  }
  EXPECT_THAT(shown.texts, ElementsAre("writing m: 20 %, 20 MiB of 100 MiB\n",
                                       "writing m: 40 %, 40 MiB of 100 MiB\n"));
}

TEST(Progress, DrawsABarOnATerminalAndTakesItAway) {
  Shown shown;
  {
    Progress progress("m", Progress::Unit::kPercent, shown.clock, shown.output(true));
    shown.clock.time = shown.clock.time + seconds(3);
    progress.update(5, 10);
    progress.update(6, 10);  // too soon after it
  }
  ASSERT_EQ(shown.texts.size(), 2u);
  EXPECT_THAT(shown.texts[0], HasSubstr("m [###############...............] 50 %"));
  EXPECT_EQ(shown.texts[1], "\r\x1b[K");
}

TEST(Progress, HoldsWithMoreDoneThanThereIsAndWithNoTotal) {
  Shown shown;
  Progress progress("m", Progress::Unit::kPercent, shown.clock, shown.output(false));
  shown.clock.time = shown.clock.time + seconds(3);
  progress.update(5, 0);
  EXPECT_THAT(shown.texts, IsEmpty());
  progress.update(50, 10);
  EXPECT_THAT(shown.texts, ElementsAre("m: 100 %\n"));
}

}  // namespace
}  // namespace weft::node

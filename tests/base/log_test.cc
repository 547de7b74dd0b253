#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weft {
namespace {

TEST(Log, WritesTheEventAndItsFieldsOnOneLine) {
  ::testing::internal::CaptureStderr();
  log_warn("stage.lost", {{"session", 7}, {"why", "link \"a\"\nbroke"}});
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find("stage.lost session=7 why=\"link \\\"a\\\"?broke\""), std::string::npos)
      << line;
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(Log, IsSilentBelowItsLevel) {
  set_log_level(LogLevel::kError);
  ::testing::internal::CaptureStderr();
  log_warn("quiet");
  log_error("loud");
  const std::string text = ::testing::internal::GetCapturedStderr();
  set_log_level(LogLevel::kInfo);
  EXPECT_EQ(text.find("quiet"), std::string::npos);
  EXPECT_NE(text.find("loud"), std::string::npos);
}

TEST(Log, KnowsItsLevelsByName) {
  EXPECT_EQ(*parse_log_level("debug"), LogLevel::kDebug);
  EXPECT_FALSE(parse_log_level("verbose").ok());
}

}  // namespace
}  // namespace weft

#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace weft {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error(ErrorCode::kInvalid, "odd");
  return value / 2;
}

Result<int> quarter(int value) {
  WEFT_TRY(const int once, half(value));
  WEFT_TRY(const int twice, half(once));
  return twice;
}

Result<> check_even(int value) {
  WEFT_CHECK(half(value));
  return {};
}

TEST(Result, CarriesAValueOrAnError) {
  EXPECT_EQ(*quarter(8), 2);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(check_even(2).ok());
  EXPECT_FALSE(check_even(1).ok());
}

TEST(Result, SaysWhereAnErrorHappened) {
  EXPECT_EQ(half(1).within("load m.gguf").error().message, "load m.gguf: odd");
  EXPECT_EQ(*half(2).within("load m.gguf"), 1);
  EXPECT_EQ(check_even(1).within("check").error().message, "check: odd");
}

TEST(Result, MovesValuesThatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> Result<int> {
    WEFT_TRY(const std::unique_ptr<int> owned, make());
    return *owned;
  };
  EXPECT_EQ(*use(), 7);
}

TEST(Result, EveryCodeHasAName) {
  for (int code = 0; code <= int(ErrorCode::kInternal); ++code) {
    EXPECT_NE(error_code_name(ErrorCode(code)), "unknown");
  }
}

TEST(ResultDeathTest, AskingAnErrorForItsValueIsAMistake) {
  EXPECT_DEATH((void)half(1).value(), "assertion failed");
}

}  // namespace
}  // namespace weft

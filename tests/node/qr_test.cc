#include "node/qr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace weft::node {
namespace {

TEST(Qr, AShortTextIsASquareOfHalfBlocks) {
  const auto code = qr_code("WEFT-1234");
  ASSERT_TRUE(code.ok());
  // Version 1 is 21 modules wide; with a quiet zone of 2 that is 25 rows, two in each line.
  EXPECT_EQ(std::count(code->begin(), code->end(), '\n'), 13);
  EXPECT_NE(code->find("\u2588"), std::string::npos);
}

TEST(Qr, TheSameTextGivesTheSameCodeAndAnotherTextAnother) {
  EXPECT_EQ(*qr_code("one"), *qr_code("one"));
  EXPECT_NE(*qr_code("one"), *qr_code("two"));
}

TEST(Qr, ATextTooLongIsInvalid) {
  const auto code = qr_code(std::string(5000, 'x'));
  ASSERT_FALSE(code.ok());
  EXPECT_EQ(code.error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace weft::node

#include "base/assert.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(AssertDeathTest, NamesFileAndConditionThenEnds) {
  EXPECT_DEATH(WEFT_ASSERT(1 + 1 == 3), "assert_test.cc.*1 \\+ 1 == 3");
}

TEST(Assert, LetsTrueConditionsPass) { WEFT_ASSERT(true); }

}  // namespace
}  // namespace weft

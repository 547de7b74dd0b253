#include "model/json_number.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/model/constrained.h"

namespace weft::model {
namespace {

TEST(JsonNumber, JustTheIntegersBetweenTwoBoundsAreTaken) {
  const std::pair<int, int> bounds[] = {{0, 0},  {0, 9},     {3, 7},     {10, 99},  {7, 123},
                                        {-5, 5}, {-120, -7}, {-1, 1000}, {99, 101}, {-10, 0}};
  for (const auto& [low, high] : bounds) {
    Constrained it("root ::= " + integers_between(low, high));
    for (int i = -1300; i <= 1300; ++i) {
      EXPECT_EQ(it.takes(cat(i)), i >= low && i <= high) << low << " " << high << " " << i;
    }
    EXPECT_FALSE(it.takes("-0"));
    EXPECT_FALSE(it.takes("007"));
    EXPECT_FALSE(it.takes(""));
  }
}

TEST(JsonNumber, AnOpenEndGoesToFifteenDigits) {
  Constrained least("root ::= " + integers_between(18, std::nullopt));
  EXPECT_TRUE(least.takes("18"));
  EXPECT_TRUE(least.takes("999999999999999"));
  EXPECT_FALSE(least.takes("1000000000000000"));
  EXPECT_FALSE(least.takes("17"));
  EXPECT_FALSE(least.takes("-18"));
  Constrained most("root ::= " + integers_between(std::nullopt, -1));
  EXPECT_TRUE(most.takes("-1"));
  EXPECT_TRUE(most.takes("-123456"));
  EXPECT_FALSE(most.takes("0"));
}

}  // namespace
}  // namespace weft::model

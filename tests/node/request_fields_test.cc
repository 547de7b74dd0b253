#include "node/request_fields.h"

#include <gtest/gtest.h>

namespace weft::node {
namespace {

TEST(RequestFields, NullCountsAsAbsent) {
  const auto object = nlohmann::json::parse(R"({"a":null,"b":2})");
  EXPECT_EQ(field(object, "a"), nullptr);
  EXPECT_EQ(field(object, "c"), nullptr);
  ASSERT_NE(field(object, "b"), nullptr);
  EXPECT_EQ(*number_field(object, "a", 0, 5, 1.5), 1.5);
  EXPECT_EQ(*flag_field(object, "a", true), true);
  EXPECT_EQ(*text_field(object, "a"), "");
}

TEST(RequestFields, AWrongTypeOrRangeNamesTheField) {
  const auto object = nlohmann::json::parse(R"({"n":7,"t":"x","f":true,"d":1.5})");
  EXPECT_EQ(*whole_field(object, "n", 0, 7, 1), 7u);
  EXPECT_EQ(whole_field(object, "n", 0, 6, 1).error().message,
            "'n' must be a whole number from 0 to 6");
  EXPECT_FALSE(whole_field(object, "d", 0, 6, 1).ok());
  EXPECT_FALSE(number_field(object, "t", 0, 6, 1).ok());
  EXPECT_FALSE(flag_field(object, "n").ok());
  EXPECT_FALSE(text_field(object, "f").ok());
}

}  // namespace
}  // namespace weft::node

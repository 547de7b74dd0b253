#include "model/template/value.h"

#include <gtest/gtest.h>

namespace weft::model::jinja {
namespace {

TEST(Value, HashesEqualNumbersAlike) {
  Dict dict;
  EXPECT_TRUE(dict.set(Value::integer(1), Value::literal("a")));
  EXPECT_TRUE(dict.set(Value::real(1.0), Value::literal("b")));
  EXPECT_TRUE(dict.set(Value::boolean(true), Value::literal("c")));
  EXPECT_TRUE(dict.set(Value::real(1.5), Value::literal("d")));
  EXPECT_TRUE(dict.set(Value::literal("1"), Value::literal("e")));
  ASSERT_EQ(dict.entries().size(), 3u);
  EXPECT_EQ(dict.find(Value::integer(1))->text(), "c");
  EXPECT_EQ(dict.find("1")->text(), "e");
  EXPECT_EQ(dict.find("2"), nullptr);
}

TEST(Value, RefusesKeysThatCannotBeHashed) {
  const Value list(std::make_shared<const SequenceBody>(SequenceBody{Flavor::kList, {}, 1, {}}));
  Dict dict;
  EXPECT_FALSE(dict.set(list, Value::none()));
  EXPECT_EQ(dict.find(list), nullptr);
  EXPECT_TRUE(dict.entries().empty());
}

TEST(Value, KeepsTheOrderOfInsertion) {
  Dict dict;
  for (const char* key : {"z", "a", "m", "a"}) dict.set(Value::literal(key), Value::none());
  std::string order;
  for (const auto& entry : dict.entries()) order += entry.key.text();
  EXPECT_EQ(order, "zam");
}

TEST(Value, IsTrueAsPythonSays) {
  EXPECT_FALSE(truthy(Value()));
  EXPECT_FALSE(truthy(Value::none()));
  EXPECT_FALSE(truthy(Value::integer(0)));
  EXPECT_FALSE(truthy(Value::real(0)));
  EXPECT_FALSE(truthy(Value::literal("")));
  EXPECT_TRUE(truthy(Value::literal("False")));
  EXPECT_TRUE(truthy(Value::integer(-1)));
}

TEST(Value, GivesItsBytesBackToTheBudget) {
  Budget budget(100);
  {
    const Charge charge(&budget, 60);
    EXPECT_FALSE(budget.fits(41));
    EXPECT_TRUE(budget.fits(40));
  }
  EXPECT_TRUE(budget.fits(100));
  EXPECT_FALSE(budget.fits(101));
}

}  // namespace
}  // namespace weft::model::jinja

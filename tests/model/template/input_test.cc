#include "model/template/input.h"

#include <gtest/gtest.h>

#include "model/template/write.h"

namespace weft::model::jinja {
namespace {

std::string printed(std::string_view json) {
  Runtime runtime({}, 0);
  const auto value = from_json(runtime, nlohmann::ordered_json::parse(json));
  return value.ok() ? to_repr(runtime, *value).value() : value.error().message;
}

TEST(Input, KeepsOrderAndTypes) {
  EXPECT_EQ(printed(R"({"z": [1, -2, 1.0, true, null], "a": "é"})"),
            "{'z': [1, -2, 1.0, True, None], 'a': 'é'}");
}

TEST(Input, TakesNumbersBeyond64BitsAsFloats) {
  EXPECT_EQ(printed("[9223372036854775807, 18446744073709551615]"),
            "[9223372036854775807, 1.8446744073709552e+19]");
}

TEST(Input, ReplacesMalformedText) {
  Runtime runtime({}, 0);
  const auto value = from_json(runtime, nlohmann::ordered_json("a\xff"));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->text(), "a\uFFFD");
}

TEST(Input, RefusesWhatNestsTooDeeply) {
  TemplateLimits limits;
  limits.depth = 2;
  Runtime runtime(limits, 0);
  EXPECT_TRUE(from_json(runtime, nlohmann::ordered_json::parse("[[1]]")).ok());
  EXPECT_EQ(from_json(runtime, nlohmann::ordered_json::parse("[[[1]]]")).error().code,
            ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::model::jinja

#include "node/http_json.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace weft::node {
namespace {

std::string nested(size_t depth) {
  return cat(R"({"a":)", std::string(depth - 1, '['), std::string(depth - 1, ']'), "}");
}

TEST(HttpJson, ReadsAnObject) {
  const auto json = parse_json_object(R"({"a":[1,2,{"b":"]]]]{{{{,,,\"\\"}],"c":null})");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ((*json)["a"][2]["b"], "]]]]{{{{,,,\"\\");
}

TEST(HttpJson, TakesTheDepthAllowedAndRefusesOneMore) {
  EXPECT_TRUE(parse_json_object(nested(kJsonDepthMax)).ok());
  const auto deep = parse_json_object(nested(kJsonDepthMax + 1));
  ASSERT_FALSE(deep.ok());
  EXPECT_EQ(deep.error().code, ErrorCode::kInvalid);
  EXPECT_NE(deep.error().message.find("64"), std::string::npos);
  EXPECT_FALSE(parse_json_object(std::string(1'000'000, '[')).ok());
}

TEST(HttpJson, RefusesMoreValuesThanItsLimit) {
  std::string many = R"({"a":[0)";
  for (size_t i = 0; i < kJsonValuesMax; ++i) many += ",0";
  EXPECT_FALSE(parse_json_object(many + "]}").ok());
}

TEST(HttpJson, RefusesWhatIsNotAnObjectOfWellFormedText) {
  for (const char* text : {"", "[]", "1", "\"a\"", "{", "{\"a\":1}}", "{\"a\":1e999}", "{a:1}",
                           "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\\ud800\"}", "// x\n{}"}) {
    const auto json = parse_json_object(text);
    EXPECT_FALSE(json.ok()) << text;
    if (!json.ok()) {
      EXPECT_EQ(json.error().code, ErrorCode::kInvalid);
    }
  }
}

TEST(HttpJson, WritesMalformedTextAsTheReplacementCharacter) {
  EXPECT_EQ(json_text(nlohmann::json{{"a", "x\xff"}}), "{\"a\":\"x\xef\xbf\xbd\"}");
}

}  // namespace
}  // namespace weft::node

#include "model/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/model/constrained.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

Constrained constrained(const char* schema) {
  const auto grammar = json_schema_grammar(Json::parse(schema));
  if (!grammar.ok()) ADD_FAILURE() << grammar.error().message;
  return Constrained(grammar.ok() ? *grammar : "root ::= \"?\"");
}

std::string refusal(const char* schema) {
  const auto grammar = json_schema_grammar(Json::parse(schema));
  if (grammar.ok()) return "it was accepted";
  EXPECT_EQ(grammar.error().code, ErrorCode::kInvalid);
  return grammar.error().message;
}

TEST(JsonSchema, AnObjectHasItsPropertiesInOrder) {
  auto it = constrained(R"({"type": "object", "properties": {
      "name": {"type": "string"}, "age": {"type": "integer", "minimum": 0},
      "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2}},
      "required": ["name", "age"]})");
  EXPECT_TRUE(it.takes(R"({"name": "Ada", "age": 36})"));
  EXPECT_TRUE(it.takes(R"({"name":"A\u00e9\n","age":0,"tags":["a","b"]})"));
  EXPECT_TRUE(it.takes("{\n  \"name\": \"Ada\",\n  \"age\": 36\n}"));
  EXPECT_FALSE(it.takes(R"({"age": 36, "name": "Ada"})"));
  EXPECT_FALSE(it.takes(R"({"name": "Ada"})"));
  EXPECT_FALSE(it.takes(R"({"name": "Ada", "age": -1})"));
  EXPECT_FALSE(it.takes(R"({"name": "Ada", "age": 1, "tags": ["c"]})"));
  EXPECT_FALSE(it.takes(R"({"name": "Ada", "age": 1, "tags": ["a", "a", "a"]})"));
  EXPECT_FALSE(it.takes(R"({"name": "Ada", "age": 1, "more": 2})"));
}

TEST(JsonSchema, OptionalPropertiesMayBeLeftOutWhereverTheyStand) {
  auto it = constrained(R"({"properties": {"a": {"type": "null"}, "b": {"type": "null"},
                            "c": {"type": "null"}}})");
  for (const char* text : {"{}", R"({"a":null})", R"({"b":null})", R"({"a":null,"c":null})",
                           R"({"b":null,"c":null})", R"({"a":null,"b":null,"c":null})"}) {
    EXPECT_TRUE(it.takes(text)) << text;
  }
  for (const char* text : {R"({,"b":null})", R"({"a":null,})", R"({"b":null,"a":null})"}) {
    EXPECT_FALSE(it.takes(text)) << text;
  }
}

TEST(JsonSchema, OtherPropertiesAreNoneOfThoseThatAreNamed) {
  auto it = constrained(R"({"type": "object", "properties": {"ab": {"type": "integer"}},
                            "required": ["ab"], "additionalProperties": {"type": "boolean"}})");
  EXPECT_TRUE(it.takes(R"({"ab":1,"a":true,"abc":false,"x y":true})"));
  EXPECT_TRUE(it.takes(R"({"ab":1,"é":true})"));
  EXPECT_FALSE(it.takes(R"({"ab":1,"ab":true})"));
  EXPECT_FALSE(it.takes(R"({"ab":1,"a":3})"));
  auto any = constrained(R"({"type": "object", "additionalProperties": {"type": "integer"}})");
  EXPECT_TRUE(any.takes(R"({"x":1,"y":2})"));
  EXPECT_FALSE(any.takes(R"({"x":"1"})"));
}

TEST(JsonSchema, ChoicesReferencesAndRecursionAreFollowed) {
  auto it = constrained(R"({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object",
      "properties": {"value": {"anyOf": [{"type": "integer"}, {"const": "x"}]},
                     "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
      "required": ["value", "next"], "additionalProperties": false}}})");
  EXPECT_TRUE(it.takes(R"({"value":1,"next":{"value":"x","next":null}})"));
  EXPECT_FALSE(it.takes(R"({"value":1,"next":{"value":"y","next":null}})"));
  EXPECT_FALSE(it.takes(R"({"value":1})"));
}

TEST(JsonSchema, AllOfJoinsObjectsAndTypesMayBeSeveral) {
  auto it = constrained(R"({"allOf": [{"type": "object", "properties": {"a": {"type": ["integer",
      "null"]}}, "required": ["a"]}, {"properties": {"b": {"type": "boolean"}},
      "required": ["b"]}]})");
  EXPECT_TRUE(it.takes(R"({"a":null,"b":true})"));
  EXPECT_TRUE(it.takes(R"({"a":5,"b":true})"));
  EXPECT_FALSE(it.takes(R"({"a":5})"));
}

TEST(JsonSchema, LengthsFormatsAndTuplesAreKept) {
  auto it = constrained(R"({"type": "array", "prefixItems": [
      {"type": "string", "minLength": 1, "maxLength": 2}, {"type": "string", "format": "date"},
      {"type": "string", "format": "ipv4"}, {"type": "number", "minimum": 0}],
      "items": {"type": "string", "format": "uuid"}, "maxItems": 5})");
  EXPECT_TRUE(it.takes(R"(["é", "2026-11-21", "192.168.1.255", 1.5e3])"));
  EXPECT_TRUE(
      it.takes(R"(["ab","2026-01-31","0.0.0.0",0,"123e4567-e89b-12d3-a456-426614174000"])"));
  EXPECT_FALSE(it.takes(R"(["", "2026-11-21", "1.1.1.1", 1])"));
  EXPECT_FALSE(it.takes(R"(["abc", "2026-11-21", "1.1.1.1", 1])"));
  EXPECT_FALSE(it.takes(R"(["a", "2026-13-21", "1.1.1.1", 1])"));
  EXPECT_FALSE(it.takes(R"(["a", "2026-11-21", "1.1.1.256", 1])"));
  EXPECT_FALSE(it.takes(R"(["a", "2026-11-21", "1.1.1.1", -1])"));
  auto time = constrained(R"({"type": "string", "format": "date-time"})");
  EXPECT_TRUE(time.takes(R"("2026-11-21T09:30:00Z")"));
  EXPECT_TRUE(time.takes(R"("2026-11-21T09:30:00.125+01:00")"));
  EXPECT_FALSE(time.takes(R"("2026-11-21 09:30:00")"));
}

TEST(JsonSchema, WhateverIsDrawnIsJson) {
  Random random(test::test_seed(11));
  const std::string grammars[] = {
      json_object_grammar(), *json_schema_grammar(Json::parse(R"({"type": "object", "properties": {
          "a\"]^-": {"type": "string", "maxLength": 6}, "list": {"type": "array", "minItems": 1,
          "maxItems": 3, "items": {"type": "number"}}, "é": {"enum": [1, "two", [3], null]}},
          "required": ["list", "é"], "additionalProperties": true})"))};
  for (const std::string& grammar : grammars) {
    Constrained it(grammar);
    int ended = 0;
    for (int i = 0; i < 300; ++i) {
      const auto text = it.draw(random, 400);
      if (!text) continue;
      ++ended;
      const Json json = Json::parse(*text, nullptr, false);
      ASSERT_FALSE(json.is_discarded()) << *text;
      ASSERT_TRUE(json.is_object()) << *text;
      if (&grammar == &grammars[1]) {
        EXPECT_TRUE(json.contains("list") && json.contains("é")) << *text;
      }
    }
    EXPECT_GT(ended, 20);
  }
}

TEST(JsonSchema, WhatCannotBeHeldIsRefusedWithItsPlace) {
  EXPECT_THAT(refusal(R"({"properties": {"a": {"items": {"type": "string", "pattern": "x"}}}})"),
              HasSubstr("at #/properties/a/items: 'pattern' is not supported"));
  EXPECT_THAT(refusal(R"({"type": "strange"})"), HasSubstr("at #: there is no type 'strange'"));
  EXPECT_THAT(refusal(R"({"type": 3})"), HasSubstr("'type' must be"));
  EXPECT_THAT(refusal(R"({"enum": []})"), HasSubstr("'enum' must list values"));
  EXPECT_THAT(refusal(R"({"$ref": "#/$defs/none"})"), HasSubstr("there is no '#/$defs/none'"));
  EXPECT_THAT(refusal(R"({"$ref": "http://x"})"), HasSubstr("must point into the same schema"));
  EXPECT_THAT(refusal(R"({"$ref": "#"})"), HasSubstr("no text can fulfil rule"));
  EXPECT_THAT(refusal(R"({"type": "integer", "minimum": 3, "maximum": 2})"),
              HasSubstr("no integer is within"));
  EXPECT_THAT(refusal(R"({"type": "number", "minimum": 3})"), HasSubstr("only 'minimum': 0"));
  EXPECT_THAT(refusal(R"({"type": "string", "minLength": 5, "maxLength": 2})"),
              HasSubstr("minLength is more"));
  EXPECT_THAT(refusal(R"({"type": "array", "minItems": 5, "maxItems": 2})"),
              HasSubstr("minItems is more"));
  EXPECT_THAT(refusal(R"({"properties": {}, "required": ["x"]})"), HasSubstr("\"x\", which"));
  EXPECT_THAT(refusal(R"({"anyOf": [{"type": "null"}], "properties": {}})"),
              HasSubstr("'properties' beside 'anyOf'"));
  EXPECT_THAT(refusal("false"), HasSubstr("must be an object"));
  Json deep = {{"type", "null"}};
  for (int i = 0; i < 60; ++i) deep = {{"type", "array"}, {"items", deep}};
  EXPECT_THAT(refusal(deep.dump().c_str()), HasSubstr("nested too deep"));
}

}  // namespace
}  // namespace weft::model

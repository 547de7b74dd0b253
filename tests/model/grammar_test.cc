#include "model/grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

std::string refusal(std::string_view text) {
  const auto grammar = Grammar::parse(text);
  if (grammar.ok()) return "it was accepted";
  EXPECT_EQ(grammar.error().code, ErrorCode::kInvalid);
  return grammar.error().message;
}

TEST(Grammar, RulesGroupsAndRepetitionsAreRead) {
  const auto grammar = Grammar::parse(
      "# a comment\nroot ::= (\"a\" | b)+ [^x-z\\]]? . # more\n  | <[TOOL]> \"\\x41\\u00e9\"{2,}\n"
      "b ::= \"\\\"\" root-2{0,3}\nroot-2 ::= \"q\"");
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  EXPECT_EQ(grammar->alternatives(grammar->root()).size(), 2u);
  EXPECT_EQ(grammar->token_texts(), (std::vector<std::string>{"[TOOL]"}));
}

TEST(Grammar, ATokenMayHaveAngleBracketsOfItsOwn) {
  const auto grammar = Grammar::parse("root ::= <<|eot_id|>> <<think>> <[X]>");
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  EXPECT_EQ(grammar->token_texts(), (std::vector<std::string>{"<|eot_id|>", "<think>", "[X]"}));
}

TEST(Grammar, AnErrorSaysLineAndColumn) {
  EXPECT_THAT(refusal("root ::= \"a\"\n  other"), HasSubstr("line 2, column 3: there is no rule"));
  EXPECT_THAT(refusal("root ::= \"a"), HasSubstr("a \" is missing"));
  EXPECT_THAT(refusal("root ::= [a"), HasSubstr("a ] is missing"));
  EXPECT_THAT(refusal("root ::= (\"a\""), HasSubstr("a ) is missing"));
  EXPECT_THAT(refusal("root ::= \"a\")"), HasSubstr("a ) without its ("));
  EXPECT_THAT(refusal("root ::= \"\\q\""), HasSubstr("line 1, column 12: an escape"));
  EXPECT_THAT(refusal("root ::= \"\\uD800\""), HasSubstr("no character has this number"));
  EXPECT_THAT(refusal("root ::= [z-a]"), HasSubstr("end is before"));
  EXPECT_THAT(refusal("root ::= []"), HasSubstr("without any character"));
  EXPECT_THAT(refusal("root ::= \"a\"{3,2}"), HasSubstr("most is below"));
  EXPECT_THAT(refusal("root ::= \"a\"{99999}"), HasSubstr("a number of repetitions"));
  EXPECT_THAT(refusal("root ::= \"a\"{2"), HasSubstr("a } is missing"));
  EXPECT_THAT(refusal("root ::= $"), HasSubstr("expected a text in quotes"));
  EXPECT_THAT(refusal("root ::= \"\xFF\""), HasSubstr("no UTF-8"));
  EXPECT_THAT(refusal("\"a\""), HasSubstr("a rule begins with its name"));
  EXPECT_THAT(refusal("start ::= \"a\""), HasSubstr("there is no rule 'root'"));
  EXPECT_THAT(refusal(""), HasSubstr("there is no rule 'root'"));
  EXPECT_THAT(refusal("root ::= \"a\" root ::= \"b\""), HasSubstr("a second rule 'root'"));
}

TEST(Grammar, ARuleThatNeverEndsIsNamed) {
  EXPECT_THAT(refusal("root ::= a\na ::= \"x\" a"), HasSubstr("no text can fulfil rule"));
  EXPECT_THAT(refusal("root ::= a | \"x\"\na ::= b\nb ::= a \"y\""), HasSubstr("rule"));
  EXPECT_THAT(refusal("root ::= root \"x\" | \"y\""),
              HasSubstr("'root' calls itself before it takes a character"));
  EXPECT_THAT(refusal("root ::= e root \"x\" | \"y\"\ne ::= \"z\"?"), HasSubstr("calls itself"));
  EXPECT_EQ(refusal("root ::= \"x\" root | \"y\""), "it was accepted");
  EXPECT_EQ(refusal("root ::= (\"x\"?)*"), "it was accepted");
}

TEST(Grammar, SizesAreBounded) {
  EXPECT_THAT(refusal(std::string(kGrammarBytesMax + 1, ' ')), HasSubstr("it may have"));
  EXPECT_THAT(refusal("root ::= \"a\"{4000}{4000}"), HasSubstr("elements"));
  EXPECT_THAT(refusal("root ::= ((((\"a\"{0,4000}){0,4000}){0,4000}){0,4000}){0,4000}"),
              HasSubstr("rules"));
  EXPECT_THAT(refusal("root ::= (\"abcdefgh\"{0,4000} | \"b\"{0,4000}){0,4000} \"abc\"{4000,}"
                      "\"abcdefghijklmnopqrstuvwxyz\"{0,4000}"),
              HasSubstr("more than"));
  const std::string open(kGrammarNestingMax + 1, '('), close(kGrammarNestingMax + 1, ')');
  EXPECT_THAT(refusal(cat("root ::= ", open, "\"a\"", close)), HasSubstr("nested more than"));
}

TEST(Grammar, AChainOfManyRulesIsCheckedInGoodTime) {
  std::string text = "root ::= r0\n";
  for (int i = 0; i < 5000; ++i) text += cat("r", i, " ::= r", i + 1, "\n");
  text += "r5000 ::= \"x\"\n";
  EXPECT_EQ(refusal(text), "it was accepted");
  text.replace(text.rfind("\"x\""), 3, "r0");
  EXPECT_THAT(refusal(text), HasSubstr("no text can fulfil"));
}

}  // namespace
}  // namespace weft::model

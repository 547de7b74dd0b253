#include "model/constraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "tests/model/constrained.h"

namespace weft::model {
namespace {

using ::testing::HasSubstr;

TEST(Constraint, TakesWhatItsGrammarSaysAndNothingElse) {
  Constrained it("root ::= \"he\" (\"ll\" | \"y\") \"o\"? | [0-9]{2,3}");
  for (const char* text : {"hell", "hello", "hey", "heyo", "12", "123"}) {
    EXPECT_TRUE(it.takes(text)) << text;
  }
  for (const char* text : {"", "he", "helo", "helloo", "1", "1234", "x"}) {
    EXPECT_FALSE(it.takes(text)) << text;
  }
}

TEST(Constraint, RecursionCountsBrackets) {
  Constrained it("root ::= \"(\" root \")\" root | \"\"");
  EXPECT_TRUE(it.takes("(()())()"));
  EXPECT_FALSE(it.takes("(()"));
  EXPECT_FALSE(it.takes("())"));
  EXPECT_TRUE(it.takes(std::string(300, '(') + std::string(300, ')')));
  // Deeper than its limit nothing may be opened.
  EXPECT_FALSE(it.takes(std::string(600, '(') + std::string(600, ')')));
}

TEST(Constraint, AListOfAnyLengthStaysFlat) {
  Constrained it("root ::= item*\nitem ::= [a-z]+ \",\"");
  std::string text;
  while (text.size() < 20'000) text += "ab,";
  EXPECT_TRUE(it.takes(text));
}

TEST(Constraint, AllowsJustTheTokensThatItTakes) {
  for (const char* text :
       {"root ::= \"he\" \"llo\"", "root ::= [^l]*", "root ::= .{0,3} \"lo\"", "root ::= \"é\"+",
        "root ::= \"<\" [a-z|]* \">\"", "root ::= (\"h\" | \"he\" | \"hel\")* <<|user|>>"}) {
    Constrained it(text);
    Random random(test::test_seed(3));
    for (int walk = 0; walk < 20; ++walk) {
      Constraint::Cursor cursor;
      for (int i = 0; i < 8; ++i) {
        const auto allowed = it.constraint->allowed(cursor);
        if (!allowed.ok()) break;
        const TokenSet set = **allowed;
        std::vector<TokenId> taken;
        for (TokenId token = 0; token < 264; ++token) {
          Constraint::Cursor copy = cursor;
          const bool takes = it.constraint->advance(copy, token).ok();
          EXPECT_EQ(takes, set.contains(token)) << text << " token " << token;
          if (takes && token != 260 && token != 263) taken.push_back(token);
        }
        if (taken.empty()) break;
        ASSERT_TRUE(it.constraint->advance(cursor, taken[random.next() % taken.size()]).ok());
      }
    }
  }
}

TEST(Constraint, EndTokensAreAllowedWhereTheTextIsComplete) {
  Constrained it("root ::= \"a\"+");
  Constraint::Cursor cursor;
  EXPECT_FALSE((*it.constraint->allowed(cursor))->contains(263));
  ASSERT_TRUE(it.constraint->advance(cursor, *it.tokenizer.find("a")).ok());
  const TokenSet* allowed = *it.constraint->allowed(cursor);
  EXPECT_TRUE(allowed->contains(263) && allowed->contains(260));
  EXPECT_EQ(allowed->size(), 3u);
  EXPECT_TRUE(it.constraint->advance(cursor, 263).ok());
}

TEST(Constraint, AControlTokenIsTakenOnlyWhereItIsNamed) {
  Constrained it("root ::= <<|eot_id|>> \"a\" | \"<|eot_id|>\"");
  Constraint::Cursor cursor;
  EXPECT_TRUE((*it.constraint->allowed(cursor))->contains(260));
  ASSERT_TRUE(it.constraint->advance(cursor, 260).ok());
  EXPECT_EQ((*it.constraint->allowed(cursor))->size(), 1u);
  EXPECT_TRUE(it.takes("<|eot_id|>"));

  auto grammar = Grammar::parse("root ::= <nothing-like-it>");
  ASSERT_TRUE(grammar.ok());
  EXPECT_THAT(Constraint::make(*std::move(grammar), it.trie).error().message,
              HasSubstr("the vocabulary has no token <nothing-like-it>"));
}

TEST(Constraint, ACharacterMayBeSplitOverTokens) {
  Constrained it("root ::= [é-ü]");
  EXPECT_TRUE(it.takes("é"));
  EXPECT_TRUE(it.takes("ü"));
  EXPECT_FALSE(it.takes("ý"));
  EXPECT_FALSE(it.takes("\xC3"));
}

TEST(Constraint, WhatItForgetsItFindsAgainFromTheTokens) {
  // Each length is a state of its own, more of them than it keeps.
  Constrained it("root ::= (\"a\" | \"b\"){0,4000} \"c\" (\"x\"{0,4000} \"y\"){3}");
  Constraint::Cursor early;
  const TokenId a = *it.tokenizer.find("a");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(it.constraint->advance(early, a).ok());
  const std::string xs(3900, 'x');
  EXPECT_TRUE(it.takes(cat(std::string(3900, 'b'), "c", xs, "y", xs, "y", xs, "y")));
  Constraint::Cursor other = early;
  EXPECT_TRUE(it.constraint->advance(other, a).ok());
  EXPECT_NE(other.generation, early.generation);
  EXPECT_TRUE((*it.constraint->allowed(early))->contains(*it.tokenizer.find("c")));
}

TEST(Constraint, AnAmbiguousGrammarEndsAtItsLimit) {
  std::string text = "root ::= a\n";
  for (int i = 0; i < 30; ++i) {
    text += cat(char('a' + i % 26), i / 26 ? "2" : "", " ::= (", char('a' + (i + 1) % 26),
                (i + 1) / 26 ? "2" : "", " | \"x\" ", char('a' + (i + 1) % 26),
                (i + 1) / 26 ? "2" : "", "){1,12}\n");
  }
  text += "e2 ::= \"x\"\n";
  auto grammar = Grammar::parse(text);
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  auto made = Constraint::make(*std::move(grammar), Constrained("root ::= \"x\"").trie);
  ASSERT_TRUE(made.ok());
  Constraint::Cursor cursor;
  Result<> done;
  for (int i = 0; i < 200 && done.ok(); ++i) {
    const auto allowed = (*made)->allowed(cursor);
    done = allowed.ok() ? (*made)->advance(cursor, TokenId('x' - '!' + 33))
                        : Result<>(allowed.error());
  }
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kExhausted) << done.error().message;
}

}  // namespace
}  // namespace weft::model

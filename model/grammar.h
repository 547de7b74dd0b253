// Grammar: which texts an answer may be, written as rules:
//
//   root   ::= "yes" | "no" | number
//   number ::= "-"? [1-9] [0-9]{0,8}      # a comment
//
// Literals with the escapes \n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH; classes [a-z], [^a-z];
// . (any character); groups; ? * + {n} {n,} {n,m}; <text>: the token of the vocabulary with just
// this text, control tokens too, as in <<|python_tag|>> (the last of a run of > closes it). Line
// breaks are white space. The notation is that of llama.cpp's GBNF.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sampling.h"
#include "model/char_set.h"

namespace weft::model {

inline constexpr size_t kGrammarElementsMax = 1 << 17;
inline constexpr size_t kGrammarRulesMax = 1 << 14;
inline constexpr size_t kGrammarNestingMax = 64;     // of groups
inline constexpr uint32_t kGrammarRepeatMax = 4096;  // the largest number in {n,m}

class Grammar {
 public:
  struct Element {
    enum class Kind : uint8_t { kEnd, kChars, kRule, kToken };  // kEnd: the alternative's end
    Kind kind = Kind::kEnd;
    uint32_t index = 0;  // of the set, rule or token text
  };

  // kInvalid says what is wrong, with line and column or the rule's name: syntax, a rule that is
  // missing, that calls itself before it took a character, or that no text can fulfil; limits.
  static Result<Grammar> parse(std::string_view text);

  uint32_t root() const { return root_; }
  // Where the alternatives of a rule begin in the elements.
  const std::vector<uint32_t>& alternatives(uint32_t rule) const { return rules_[rule]; }
  const Element& element(uint32_t at) const { return elements_[at]; }
  const CharSet& set(uint32_t index) const { return sets_[index]; }
  const std::vector<std::string>& token_texts() const { return token_texts_; }

 private:
  friend class GrammarParser;
  Grammar() = default;
  // The rules that can be fulfilled; with `by_nothing`: by the empty text.
  std::vector<bool> fulfillable(bool by_nothing) const;
  Result<> check() const;
  Result<> check_left_recursion() const;

  uint32_t root_ = 0;
  std::vector<Element> elements_;
  std::vector<std::vector<uint32_t>> rules_;
  std::vector<std::string> names_;  // of the rules; of helpers, the rule they belong to
  std::vector<bool> repeats_;       // helpers whose own name at their end is a repetition
  std::vector<CharSet> sets_;
  std::vector<std::string> token_texts_;
};

}  // namespace weft::model

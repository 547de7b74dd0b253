// The notation of a grammar, read into its rules.
#include <algorithm>
#include <map>
#include <optional>

#include "base/text.h"
#include "model/grammar.h"

namespace weft::model {
namespace {

using Element = Grammar::Element;
using Kind = Element::Kind;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

class GrammarParser {
 public:
  explicit GrammarParser(std::string_view text) : text_(text) {}

  Result<Grammar> run() {
    skip_space();
    while (at_ < text_.size()) WEFT_CHECK(rule());
    for (const auto& [name, known] : by_name_) {
      if (grammar_.rules_[known.index].empty()) {
        at_ = known.first_use;
        return wrong(cat("there is no rule '", name, "'"));
      }
    }
    const auto root = by_name_.find("root");
    if (root == by_name_.end()) return wrong("there is no rule 'root'");
    grammar_.root_ = root->second.index;
    WEFT_CHECK(grammar_.check());
    return std::move(grammar_);
  }

 private:
  using Sequence = std::vector<Element>;
  struct Name {
    uint32_t index;
    size_t first_use;
  };

  Error wrong(std::string_view what) const {
    size_t line = 1, begin = 0;
    for (size_t i = 0; i < std::min(at_, text_.size()); ++i) {
      if (text_[i] == '\n') {
        ++line;
        begin = i + 1;
      }
    }
    return Error(ErrorCode::kInvalid,
                 cat("grammar line ", line, ", column ", at_ - begin + 1, ": ", what));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else {
        return;
      }
    }
  }
  std::string name() {
    const size_t begin = at_;
    while (is_name_char(peek())) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  // A name with ::= after it begins the next rule.
  bool at_rule_start() {
    const size_t before = at_;
    const bool named = !name().empty();
    skip_space();
    const bool starts = named && text_.substr(at_, 3) == "::=";
    at_ = before;
    return starts;
  }

  Result<uint32_t> add_rule(std::string name, bool repeats) {
    if (grammar_.rules_.size() >= kGrammarRulesMax) {
      return wrong(cat("more than ", kGrammarRulesMax,
                       " rules, those of groups and repetitions "
                       "counted"));
    }
    grammar_.rules_.emplace_back();
    grammar_.names_.push_back(std::move(name));
    grammar_.repeats_.push_back(repeats);
    return uint32_t(grammar_.rules_.size() - 1);
  }
  Result<uint32_t> rule_named(const std::string& name) {
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) return known->second.index;
    WEFT_TRY(const uint32_t index, add_rule(name, false));
    by_name_[name] = {index, at_};
    return index;
  }
  Result<> add_alternative(uint32_t rule, const Sequence& sequence) {
    if (grammar_.elements_.size() + sequence.size() >= kGrammarElementsMax) {
      return wrong(cat("more than ", kGrammarElementsMax, " elements, repetitions written out"));
    }
    grammar_.rules_[rule].push_back(uint32_t(grammar_.elements_.size()));
    grammar_.elements_.insert(grammar_.elements_.end(), sequence.begin(), sequence.end());
    grammar_.elements_.push_back({});
    return {};
  }

  Result<> rule() {
    if (!at_rule_start()) return wrong("a rule begins with its name and ::=");
    const size_t begin = at_;
    current_ = name();
    at_ = begin;
    WEFT_TRY(const uint32_t index, rule_named(current_));
    if (!grammar_.rules_[index].empty()) return wrong(cat("a second rule '", current_, "'"));
    at_ += current_.size();
    skip_space();
    at_ += 3;
    return alternatives(index, 0);
  }

  Result<> alternatives(uint32_t rule, size_t nesting) {
    do {
      WEFT_TRY(const Sequence found, sequence(nesting));
      WEFT_CHECK(add_alternative(rule, found));
    } while (take("|"));
    return {};
  }

  Result<Sequence> sequence(size_t nesting) {
    Sequence all;
    for (;;) {
      skip_space();
      const char c = peek();
      if (at_ >= text_.size() || c == '|' || c == ')' || (is_name_char(c) && at_rule_start())) {
        if (c == ')' && nesting == 0) return wrong("a ) without its (");
        return all;
      }
      WEFT_TRY(Sequence one, item(nesting));
      WEFT_TRY(one, repeated(std::move(one)));
      all.insert(all.end(), one.begin(), one.end());
      if (all.size() > kGrammarElementsMax) {
        return wrong(cat("more than ", kGrammarElementsMax, " elements, repetitions written out"));
      }
    }
  }

  Result<Sequence> item(size_t nesting) {
    const char c = peek();
    if (c == '"') return literal();
    if (c == '[') return char_class();
    if (c == '<') return token();
    if (c == '.') {
      ++at_;
      return any_of({}, true);
    }
    if (c == '(') {
      if (nesting >= kGrammarNestingMax) {
        return wrong(cat("groups are nested more than ", kGrammarNestingMax, " deep"));
      }
      ++at_;
      WEFT_TRY(const uint32_t index, add_rule(current_, false));
      WEFT_CHECK(alternatives(index, nesting + 1));
      if (!take(")")) return wrong("a ) is missing");
      return Sequence{{Kind::kRule, index}};
    }
    if (is_name_char(c)) {
      const size_t begin = at_;
      const std::string named = name();
      at_ = begin;
      WEFT_TRY(const uint32_t index, rule_named(named));
      at_ += named.size();
      return Sequence{{Kind::kRule, index}};
    }
    return wrong("expected a text in quotes, a class [...], a rule's name, a group or a <token>");
  }

  Result<Sequence> any_of(std::vector<CodeRange> ranges, bool negate) {
    std::vector<CodeRange> normal = normalize(std::move(ranges), negate);
    if (normal.empty()) return wrong("a class without any character");
    const auto known = sets_.find(normal);
    if (known != sets_.end()) return Sequence{{Kind::kChars, known->second}};
    const auto index = uint32_t(grammar_.sets_.size());
    grammar_.sets_.emplace_back(normal);
    sets_[std::move(normal)] = index;
    return Sequence{{Kind::kChars, index}};
  }

  Result<Sequence> literal() {
    ++at_;
    Sequence all;
    while (peek() != '"') {
      WEFT_TRY(const uint32_t code, character('"'));
      WEFT_TRY(const Sequence one, any_of({{code, code}}, false));
      all.push_back(one.front());
    }
    ++at_;
    return all;
  }

  Result<Sequence> char_class() {
    ++at_;
    const bool negate = take("^");
    std::vector<CodeRange> ranges;
    while (peek() != ']') {
      WEFT_TRY(const uint32_t first, character(']'));
      uint32_t last = first;
      if (peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        WEFT_TRY(last, character(']'));
        if (last < first) return wrong("a range whose end is before its beginning");
      }
      ranges.push_back({first, last});
    }
    ++at_;
    return any_of(std::move(ranges), negate);
  }

  Result<Sequence> token() {
    size_t end = text_.find('>', at_ + 1);
    // <<|eot_id|>> has one > of its own.
    while (end + 1 < text_.size() && text_[end + 1] == '>') ++end;
    if (end == std::string_view::npos || end == at_ + 1) return wrong("a token is written <text>");
    std::string named(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    auto& texts = grammar_.token_texts_;
    const auto known = std::find(texts.begin(), texts.end(), named);
    const auto index = uint32_t(known - texts.begin());
    if (known == texts.end()) texts.push_back(std::move(named));
    return Sequence{{Kind::kToken, index}};
  }

  // One character of a literal or class that `closing` ends.
  Result<uint32_t> character(char closing) {
    if (at_ >= text_.size()) return wrong(cat("a ", std::string(1, closing), " is missing"));
    if (text_[at_] == '\\') {
      ++at_;
      return escape();
    }
    const size_t bytes = utf8_complete_prefix(text_.substr(at_, 4));
    const std::string_view rest = text_.substr(at_, 4);
    const uint8_t lead = uint8_t(rest[0]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes < length) return wrong("bytes that are no UTF-8");
    uint32_t code = length == 1 ? lead : lead & (0x7F >> length);
    for (size_t i = 1; i < length; ++i) code = code << 6 | (uint8_t(rest[i]) & 0x3F);
    at_ += length;
    return code;
  }

  Result<uint32_t> escape() {
    const char c = peek();
    ++at_;
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '^':
      case '-':
      case '/':
        return uint32_t(c);
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case 'U':
        return hex(8);
      default:
        break;
    }
    --at_;
    return wrong("an escape that is none of \\n \\r \\t \\\\ \\\" \\[ \\] \\^ \\- \\xHH \\uHHHH");
  }
  Result<uint32_t> hex(size_t digits) {
    uint32_t code = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const int value = hex_value(peek());
      if (value < 0) return wrong(cat(digits, " hexadecimal digits belong here"));
      code = code << 4 | uint32_t(value);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      return wrong("no character has this number");
    }
    return code;
  }

  Result<uint32_t> number() {
    const size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    const auto value = parse_u64(text_.substr(begin, at_ - begin));
    if (!value.ok() || *value > kGrammarRepeatMax) {
      return wrong(cat("a number of repetitions from 0 to ", kGrammarRepeatMax, " belongs here"));
    }
    return uint32_t(*value);
  }

  // The item as often as the operators after it say.
  Result<Sequence> repeated(Sequence one) {
    for (;;) {
      skip_space();
      uint32_t least = 0;
      std::optional<uint32_t> most;
      if (take("?")) {
        most = 1;
      } else if (take("+")) {
        least = 1;
      } else if (take("{")) {
        WEFT_TRY(least, number());
        most = least;
        if (take(",")) {
          most.reset();
          if (peek() != '}') {
            WEFT_TRY(most, number());
          }
        }
        if (!take("}")) return wrong("a } is missing");
        if (most && *most < least) return wrong("repetitions whose most is below their least");
      } else if (!take("*")) {
        return one;
      }
      WEFT_TRY(one, written_out(one, least, most));
    }
  }

  Result<Sequence> written_out(const Sequence& one, uint32_t least, std::optional<uint32_t> most) {
    if (one.size() * least > kGrammarElementsMax) {
      return wrong(cat("more than ", kGrammarElementsMax, " elements, repetitions written out"));
    }
    Sequence all;
    for (uint32_t i = 0; i < least; ++i) all.insert(all.end(), one.begin(), one.end());
    if (most && *most == least) return all;
    Sequence tail;
    if (!most) {
      WEFT_TRY(const uint32_t again, add_rule(current_, true));
      Sequence more = one;
      more.push_back({Kind::kRule, again});
      WEFT_CHECK(add_alternative(again, more));
      WEFT_CHECK(add_alternative(again, {}));
      tail = {{Kind::kRule, again}};
    } else {
      for (uint32_t i = least; i < *most; ++i) {
        WEFT_TRY(const uint32_t maybe, add_rule(current_, false));
        Sequence more = one;
        more.insert(more.end(), tail.begin(), tail.end());
        WEFT_CHECK(add_alternative(maybe, more));
        WEFT_CHECK(add_alternative(maybe, {}));
        tail = {{Kind::kRule, maybe}};
      }
    }
    all.insert(all.end(), tail.begin(), tail.end());
    return all;
  }

  const std::string_view text_;
  size_t at_ = 0;
  Grammar grammar_;
  std::string current_;  // the rule at hand, for its helpers' names
  std::map<std::string, Name> by_name_;
  std::map<std::vector<CodeRange>, uint32_t> sets_;
};

Result<Grammar> Grammar::parse(std::string_view text) {
  if (text.size() > kGrammarBytesMax) {
    return Error(ErrorCode::kInvalid,
                 cat("grammar: ", text.size(), " bytes; it may have ", kGrammarBytesMax));
  }
  return GrammarParser(text).run();
}

}  // namespace weft::model

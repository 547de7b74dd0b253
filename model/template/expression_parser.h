// The expression half of the parser; parser.cc drives it.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "model/template/ast.h"
#include "model/template/lexer.h"
#include "model/template/parser.h"

namespace weft::model::jinja {

// How deep the deepest of some expressions is; 0 for null.
inline uint32_t depth_of(const ExpressionPtr& expression) {
  return expression ? expression->depth : 0;
}
inline uint32_t depth_of(const std::vector<ExpressionPtr>& expressions) {
  uint32_t deepest = 0;
  for (const auto& expression : expressions) deepest = std::max(deepest, depth_of(expression));
  return deepest;
}
template <typename Label>
uint32_t depth_of(const std::vector<std::pair<Label, ExpressionPtr>>& labelled) {
  uint32_t deepest = 0;
  for (const auto& [label, expression] : labelled) {
    deepest = std::max(deepest, depth_of(expression));
  }
  return deepest;
}
inline uint32_t depth_of(const CallArguments& arguments) {
  return std::max(depth_of(arguments.positional), depth_of(arguments.named));
}

// Reads expressions from a token list, from loosest to tightest: conditional, or, and, not,
// comparison, + -, ~, * / // %, **, unary signs, postfix, filters and tests.
// Source: the grammar of Jinja 3.1's expressions (templates documentation).
class ExpressionParser {
 public:
  // `tokens` ends with kEnd and must outlive this.
  explicit ExpressionParser(const std::vector<Token>& tokens) : tokens_(tokens) {}

 protected:
  Result<ExpressionPtr> expression(bool with_condition = true);
  // `a, b`: a tuple without parentheses, or just an expression. Ends before a block's end or
  // `stop`.
  Result<ExpressionPtr> tuple(bool with_condition = true);
  // `|name(...)|...` behind `input`, which may be null.
  Result<ExpressionPtr> filters(ExpressionPtr input);
  // `(a, b, name=c)`; nothing where no `(` follows.
  Result<CallArguments> arguments();
  // What stands before `=` or `in`.
  Result<Target> target() { return target_list(0); }

  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void advance() { at_ = std::min(at_ + 1, tokens_.size() - 1); }
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view op);
  Result<> expect_operator(std::string_view op);
  Result<> expect(TokenKind kind, std::string_view what);
  Result<std::string> expect_identifier();
  Error fail(std::string_view what) const;
  Error unexpected(std::string_view wanted) const;

  // All names read so far, to see whether a macro uses `caller` and its kin.
  std::set<std::string>& names_used() { return names_used_; }

 private:
  Result<ExpressionPtr> conditional();
  Result<ExpressionPtr> logic(bool is_or);
  Result<ExpressionPtr> negation();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> arithmetic(int level);
  Result<ExpressionPtr> concatenation();
  Result<ExpressionPtr> unary(bool with_filters = true);
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> number();
  Result<ExpressionPtr> in_parentheses();
  Result<ExpressionPtr> list_literal();
  Result<ExpressionPtr> dict_literal();
  Result<ExpressionPtr> postfix(ExpressionPtr object);
  Result<ExpressionPtr> attribute(ExpressionPtr object);
  Result<ExpressionPtr> subscript(ExpressionPtr object);
  Result<ExpressionPtr> call(ExpressionPtr callee);
  Result<ExpressionPtr> filters_and_tests(ExpressionPtr input);
  Result<ExpressionPtr> filter(ExpressionPtr input);
  Result<ExpressionPtr> test(ExpressionPtr input);
  Result<Target> target_part(uint32_t depth);
  Result<Target> target_list(uint32_t depth);
  bool ends_tuple() const;

  // An expression over parts that are at most `deepest` deep.
  template <typename Node>
  Result<ExpressionPtr> make(uint32_t line, Node node, uint32_t deepest) {
    if (deepest >= kExpressionDepthMax) return too_deep(line);
    return std::make_unique<Expression>(Expression{line, deepest + 1, std::move(node)});
  }
  static Error too_deep(uint32_t line);

  const std::vector<Token>& tokens_;
  size_t at_ = 0;
  uint32_t nesting_ = 0;
  std::set<std::string> names_used_;
};

}  // namespace weft::model::jinja

#include "model/template/expression_parser.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace weft::model::jinja {
namespace {

struct ArithmeticToken {
  int level;  // 0 binds loosest
  std::string_view text;
  BinaryOperator op;
};
constexpr int kMultiplication = 1, kPower = 2;
constexpr std::array<ArithmeticToken, 7> kArithmetic = {{
    {0, "+", BinaryOperator::kAdd},
    {0, "-", BinaryOperator::kSubtract},
    {kMultiplication, "*", BinaryOperator::kMultiply},
    {kMultiplication, "/", BinaryOperator::kDivide},
    {kMultiplication, "//", BinaryOperator::kFloorDivide},
    {kMultiplication, "%", BinaryOperator::kModulo},
    {kPower, "**", BinaryOperator::kPower},
}};

constexpr std::array<std::pair<std::string_view, Comparison>, 6> kComparisons = {{
    {"==", Comparison::kEqual},
    {"!=", Comparison::kNotEqual},
    {"<", Comparison::kLess},
    {"<=", Comparison::kLessEqual},
    {">", Comparison::kGreater},
    {">=", Comparison::kGreaterEqual},
}};

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kText: return "text";
    case TokenKind::kBlockBegin: return "{%";
    case TokenKind::kBlockEnd: return "%}";
    case TokenKind::kPrintBegin: return "{{";
    case TokenKind::kPrintEnd: return "}}";
    case TokenKind::kString: return "a string";
    case TokenKind::kEnd: return "the end of the template";
    default: return cat("'", printable(token.text), "'");
  }
}

}  // namespace

bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  advance();
  return true;
}

bool ExpressionParser::skip_operator(std::string_view op) {
  if (!current().is_operator(op)) return false;
  advance();
  return true;
}

Error ExpressionParser::fail(std::string_view what) const {
  return Error(ErrorCode::kInvalid, cat("template line ", current().line, ": ", what));
}

Error ExpressionParser::unexpected(std::string_view wanted) const {
  return fail(cat("expected ", wanted, ", got ", describe(current())));
}

Error ExpressionParser::too_deep(uint32_t line) {
  return Error(ErrorCode::kExhausted,
               cat("template line ", line, ": this expression nests more than ",
                   kExpressionDepthMax, " deep"));
}

Result<> ExpressionParser::expect_operator(std::string_view op) {
  if (!skip_operator(op)) return unexpected(cat("'", op, "'"));
  return {};
}

Result<> ExpressionParser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind) return unexpected(what);
  advance();
  return {};
}

Result<std::string> ExpressionParser::expect_identifier() {
  if (current().kind != TokenKind::kName) return unexpected("a name");
  std::string name = current().text;
  advance();
  return name;
}

Result<ExpressionPtr> ExpressionParser::expression(bool with_condition) {
  // Bounds the parser's own recursion; `make` bounds the tree.
  if (nesting_ >= kExpressionDepthMax) return too_deep(current().line);
  ++nesting_;
  auto parsed = with_condition ? conditional() : logic(true);
  --nesting_;
  return parsed;
}

Result<ExpressionPtr> ExpressionParser::conditional() {
  const uint32_t line = current().line;
  WEFT_TRY(auto value, logic(true));
  while (skip_name("if")) {
    Conditional node;
    node.then = std::move(value);
    WEFT_TRY(node.condition, logic(true));
    if (skip_name("else")) {
      WEFT_TRY(node.otherwise, expression());
    }
    const uint32_t deepest =
        std::max({depth_of(node.then), depth_of(node.condition), depth_of(node.otherwise)});
    WEFT_TRY(value, make(line, std::move(node), deepest));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::logic(bool is_or) {
  const uint32_t line = current().line;
  Logic node{is_or, {}};
  do {
    WEFT_TRY(auto operand, is_or ? logic(false) : negation());
    node.operands.push_back(std::move(operand));
  } while (skip_name(is_or ? "or" : "and"));
  if (node.operands.size() == 1) return std::move(node.operands.front());
  const uint32_t deepest = depth_of(node.operands);
  return make(line, std::move(node), deepest);
}

Result<ExpressionPtr> ExpressionParser::negation() {
  const uint32_t line = current().line;
  uint32_t count = 0;
  while (skip_name("not")) ++count;
  WEFT_TRY(auto value, comparison());
  for (; count > 0; --count) {
    const uint32_t deepest = value->depth;
    WEFT_TRY(value, make(line, Unary{UnaryOperator::kNot, std::move(value)}, deepest));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  const uint32_t line = current().line;
  Compare node;
  WEFT_TRY(node.first, arithmetic(0));
  while (true) {
    Comparison op;
    const auto known = std::find_if(kComparisons.begin(), kComparisons.end(),
                                    [&](const auto& c) { return current().is_operator(c.first); });
    if (known != kComparisons.end()) {
      op = known->second;
    } else if (current().is_name("in")) {
      op = Comparison::kIn;
    } else if (current().is_name("not") && next().is_name("in")) {
      op = Comparison::kNotIn;
      advance();
    } else {
      break;
    }
    advance();
    WEFT_TRY(auto operand, arithmetic(0));
    node.rest.emplace_back(op, std::move(operand));
  }
  if (node.rest.empty()) return std::move(node.first);
  const uint32_t deepest = std::max(depth_of(node.first), depth_of(node.rest));
  return make(line, std::move(node), deepest);
}

Result<ExpressionPtr> ExpressionParser::arithmetic(int level) {
  const uint32_t line = current().line;
  const auto operand = [&]() -> Result<ExpressionPtr> {
    if (level == 0) return concatenation();
    return level == kPower ? unary() : arithmetic(kPower);
  };
  Arithmetic node;
  WEFT_TRY(node.first, operand());
  while (true) {
    const auto found = std::find_if(kArithmetic.begin(), kArithmetic.end(), [&](const auto& a) {
      return a.level == level && current().is_operator(a.text);
    });
    if (found == kArithmetic.end()) break;
    advance();
    WEFT_TRY(auto right, operand());
    node.rest.emplace_back(found->op, std::move(right));
  }
  if (node.rest.empty()) return std::move(node.first);
  const uint32_t deepest = std::max(depth_of(node.first), depth_of(node.rest));
  return make(line, std::move(node), deepest);
}

Result<ExpressionPtr> ExpressionParser::concatenation() {
  const uint32_t line = current().line;
  Concatenation node;
  do {
    WEFT_TRY(auto part, arithmetic(kMultiplication));
    node.parts.push_back(std::move(part));
  } while (skip_operator("~"));
  if (node.parts.size() == 1) return std::move(node.parts.front());
  const uint32_t deepest = depth_of(node.parts);
  return make(line, std::move(node), deepest);
}

Result<ExpressionPtr> ExpressionParser::unary(bool with_filters) {
  const uint32_t line = current().line;
  std::vector<UnaryOperator> signs;
  while (current().is_operator("-") || current().is_operator("+")) {
    signs.push_back(current().is_operator("-") ? UnaryOperator::kNegate : UnaryOperator::kPlus);
    advance();
  }
  // A sign binds tighter than a filter: -1|abs is (-1)|abs.
  WEFT_TRY(auto value, primary());
  WEFT_TRY(value, postfix(std::move(value)));
  for (auto sign = signs.rbegin(); sign != signs.rend(); ++sign) {
    const uint32_t deepest = value->depth;
    WEFT_TRY(value, make(line, Unary{*sign, std::move(value)}, deepest));
  }
  return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
}

Result<ExpressionPtr> ExpressionParser::primary() {
  const Token& token = current();
  if (token.kind == TokenKind::kName) {
    advance();
    const std::string& name = token.text;
    if (name == "true" || name == "True") return make(token.line, Literal{Value::boolean(true)}, 0);
    if (name == "false" || name == "False") {
      return make(token.line, Literal{Value::boolean(false)}, 0);
    }
    if (name == "none" || name == "None") return make(token.line, Literal{Value::none()}, 0);
    names_used_.insert(name);
    return make(token.line, Name{name}, 0);
  }
  if (token.kind == TokenKind::kString) {
    std::string text;
    while (current().kind == TokenKind::kString) {  // neighbours are joined
      text += current().text;
      advance();
    }
    return make(token.line, Literal{Value::literal(std::move(text))}, 0);
  }
  if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat) return number();
  if (token.is_operator("(")) return in_parentheses();
  if (token.is_operator("[")) return list_literal();
  if (token.is_operator("{")) return dict_literal();
  return unexpected("an expression");
}

Result<ExpressionPtr> ExpressionParser::number() {
  const Token& token = current();
  advance();
  if (token.kind == TokenKind::kFloat) {
    WEFT_TRY(const double value, parse_double(token.text));
    return make(token.line, Literal{Value::real(value)}, 0);
  }
  std::string_view digits = token.text;
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && digits[1] > '9') {
    base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : 2;
    digits.remove_prefix(2);
  }
  int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) {
    return fail(cat("the number ", printable(token.text), " is not one of 64 bits"));
  }
  return make(token.line, Literal{Value::integer(value)}, 0);
}

bool ExpressionParser::ends_tuple() const {
  const TokenKind kind = current().kind;
  return kind == TokenKind::kBlockEnd || kind == TokenKind::kPrintEnd || kind == TokenKind::kEnd ||
         current().is_operator(")");
}

Result<ExpressionPtr> ExpressionParser::tuple(bool with_condition) {
  const uint32_t line = current().line;
  WEFT_TRY(auto first, expression(with_condition));
  if (!current().is_operator(",")) return first;
  ListLiteral node{Flavor::kTuple, {}};
  node.items.push_back(std::move(first));
  while (skip_operator(",")) {
    if (ends_tuple()) break;
    WEFT_TRY(auto item, expression(with_condition));
    node.items.push_back(std::move(item));
  }
  const uint32_t deepest = depth_of(node.items);
  return make(line, std::move(node), deepest);
}

Result<ExpressionPtr> ExpressionParser::in_parentheses() {
  const uint32_t line = current().line;
  advance();
  if (skip_operator(")")) return make(line, ListLiteral{Flavor::kTuple, {}}, 0);
  WEFT_TRY(auto value, tuple());
  WEFT_CHECK(expect_operator(")"));
  return value;
}

Result<ExpressionPtr> ExpressionParser::list_literal() {
  const uint32_t line = current().line;
  advance();
  ListLiteral node{Flavor::kList, {}};
  while (!current().is_operator("]")) {
    WEFT_TRY(auto item, expression());
    node.items.push_back(std::move(item));
    if (!skip_operator(",")) break;
  }
  WEFT_CHECK(expect_operator("]"));
  const uint32_t deepest = depth_of(node.items);
  return make(line, std::move(node), deepest);
}

Result<ExpressionPtr> ExpressionParser::dict_literal() {
  const uint32_t line = current().line;
  advance();
  DictLiteral node;
  uint32_t deepest = 0;
  while (!current().is_operator("}")) {
    WEFT_TRY(auto key, expression());
    WEFT_CHECK(expect_operator(":"));
    WEFT_TRY(auto value, expression());
    deepest = std::max({deepest, depth_of(key), depth_of(value)});
    node.entries.emplace_back(std::move(key), std::move(value));
    if (!skip_operator(",")) break;
  }
  WEFT_CHECK(expect_operator("}"));
  return make(line, std::move(node), deepest);
}

}  // namespace weft::model::jinja

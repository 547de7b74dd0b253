// Of ExpressionParser: what follows a primary expression, and the targets of assignments.
#include <algorithm>

#include "model/template/expression_parser.h"
#include "model/template/filters.h"
#include "model/template/tests.h"

namespace weft::model::jinja {
namespace {

// How deep targets of unpacking may nest: (a, (b, c)).
constexpr uint32_t kTargetDepthMax = 8;

}  // namespace

Result<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr object) {
  while (true) {
    if (current().is_operator(".")) {
      WEFT_TRY(object, attribute(std::move(object)));
    } else if (current().is_operator("[")) {
      WEFT_TRY(object, subscript(std::move(object)));
    } else if (current().is_operator("(")) {
      WEFT_TRY(object, call(std::move(object)));
    } else {
      return object;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::attribute(ExpressionPtr object) {
  const uint32_t line = current().line;
  const uint32_t deepest = object->depth;
  advance();
  if (current().kind == TokenKind::kName) {
    AttributeOf node{std::move(object), current().text};
    advance();
    return make(line, std::move(node), deepest);
  }
  if (current().kind != TokenKind::kInteger) return unexpected("a name or a number after '.'");
  ItemOf node{std::move(object), nullptr};
  WEFT_TRY(node.key, number());
  return make(line, std::move(node), deepest);
}

Result<ExpressionPtr> ExpressionParser::subscript(ExpressionPtr object) {
  const uint32_t line = current().line;
  const auto ends = [&] { return current().is_operator("]") || current().is_operator(":"); };
  advance();
  ExpressionPtr first;
  if (!current().is_operator(":")) {
    WEFT_TRY(first, tuple());
  }
  if (!current().is_operator(":")) {
    WEFT_CHECK(expect_operator("]"));
    const uint32_t deepest = std::max(object->depth, first->depth);
    return make(line, ItemOf{std::move(object), std::move(first)}, deepest);
  }
  SliceOf node;
  node.object = std::move(object);
  node.start = std::move(first);
  advance();
  if (!ends()) {
    WEFT_TRY(node.stop, expression());
  }
  if (skip_operator(":") && !ends()) {
    WEFT_TRY(node.step, expression());
  }
  WEFT_CHECK(expect_operator("]"));
  const uint32_t deepest = std::max({depth_of(node.object), depth_of(node.start),
                                     depth_of(node.stop), depth_of(node.step)});
  return make(line, std::move(node), deepest);
}

Result<CallArguments> ExpressionParser::arguments() {
  CallArguments parsed;
  if (!skip_operator("(")) return parsed;
  while (!current().is_operator(")")) {
    if (current().is_operator("*") || current().is_operator("**")) {
      return fail("unpacking of call arguments is not supported");
    }
    if (current().kind == TokenKind::kName && next().is_operator("=")) {
      std::string name = current().text;
      advance();
      advance();
      WEFT_TRY(auto value, expression());
      parsed.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!parsed.named.empty()) return fail("a positional argument follows a named one");
      WEFT_TRY(auto value, expression());
      parsed.positional.push_back(std::move(value));
    }
    if (!skip_operator(",")) break;
  }
  WEFT_CHECK(expect_operator(")"));
  return parsed;
}

Result<ExpressionPtr> ExpressionParser::call(ExpressionPtr callee) {
  const uint32_t line = current().line;
  WEFT_TRY(auto parsed, arguments());
  const uint32_t deepest = std::max(callee->depth, depth_of(parsed));
  return make(line, Call{std::move(callee), std::move(parsed)}, deepest);
}

Result<ExpressionPtr> ExpressionParser::filters_and_tests(ExpressionPtr input) {
  while (true) {
    if (current().is_operator("|")) {
      WEFT_TRY(input, filter(std::move(input)));
    } else if (current().is_name("is")) {
      WEFT_TRY(input, test(std::move(input)));
    } else if (current().is_operator("(")) {
      WEFT_TRY(input, call(std::move(input)));
    } else {
      return input;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::filters(ExpressionPtr input) {
  do {
    WEFT_TRY(input, filter(std::move(input)));
  } while (current().is_operator("|"));
  return input;
}

// The first filter of a block has no `|` before it.
Result<ExpressionPtr> ExpressionParser::filter(ExpressionPtr input) {
  const uint32_t line = current().line;
  skip_operator("|");
  WEFT_TRY(const std::string name, expect_identifier());
  const FilterEntry* entry = find_filter(name);
  if (!entry) return fail(cat("no filter named '", printable(name), "'"));
  WEFT_TRY(auto parsed, arguments());
  const uint32_t deepest = std::max(depth_of(input), depth_of(parsed));
  return make(line, Filter{std::move(input), entry, std::move(parsed)}, deepest);
}

Result<ExpressionPtr> ExpressionParser::test(ExpressionPtr input) {
  const uint32_t line = current().line;
  advance();
  const bool negated = skip_name("not");
  WEFT_TRY(const std::string name, expect_identifier());
  const TestEntry* entry = find_test(name);
  if (!entry) return fail(cat("no test named '", printable(name), "'"));
  CallArguments parsed;
  const Token& token = current();
  const bool starts_argument =
      token.kind == TokenKind::kString || token.kind == TokenKind::kInteger ||
      token.kind == TokenKind::kFloat || token.is_operator("[") || token.is_operator("{") ||
      (token.kind == TokenKind::kName && token.text != "else" && token.text != "or" &&
       token.text != "and" && token.text != "if");
  if (token.is_operator("(")) {
    WEFT_TRY(parsed, arguments());
  } else if (token.is_name("is")) {
    return fail("tests cannot be chained with 'is'");
  } else if (starts_argument) {
    WEFT_TRY(auto argument, primary());
    WEFT_TRY(argument, postfix(std::move(argument)));
    parsed.positional.push_back(std::move(argument));
  }
  const uint32_t deepest = std::max(depth_of(input), depth_of(parsed));
  WEFT_TRY(auto tested, make(line, Test{std::move(input), entry, std::move(parsed)}, deepest));
  if (!negated) return tested;
  return make(line, Unary{UnaryOperator::kNot, std::move(tested)}, deepest + 1);
}

Result<Target> ExpressionParser::target_part(uint32_t depth) {
  if (skip_operator("(")) {
    WEFT_TRY(auto parsed, target_list(depth + 1));
    WEFT_CHECK(expect_operator(")"));
    return parsed;
  }
  Target parsed;
  WEFT_TRY(parsed.name, expect_identifier());
  for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
    if (parsed.name == constant) return fail(cat("cannot assign to '", constant, "'"));
  }
  if (skip_operator(".")) {
    WEFT_TRY(parsed.attribute, expect_identifier());
  }
  return parsed;
}

Result<Target> ExpressionParser::target_list(uint32_t depth) {
  if (depth > kTargetDepthMax) return fail("the targets of this assignment nest too deeply");
  WEFT_TRY(auto first, target_part(depth));
  if (!current().is_operator(",")) return first;
  Target parsed;
  parsed.parts.push_back(std::move(first));
  while (skip_operator(",")) {
    if (current().is_operator("=") || current().is_operator(")") || current().is_name("in")) break;
    WEFT_TRY(auto part, target_part(depth));
    parsed.parts.push_back(std::move(part));
  }
  return parsed;
}

}  // namespace weft::model::jinja

#include "model/template/parser.h"

#include <initializer_list>

#include "base/text.h"
#include "model/template/expression_parser.h"

namespace weft::model::jinja {
namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Result<Block> run() {
    WEFT_TRY(auto block, body({}));
    return block;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  bool at_end_tag(Ends ends) const {
    if (current().kind != TokenKind::kBlockBegin) return false;
    for (const std::string_view end : ends) {
      if (next().is_name(end)) return true;
    }
    return false;
  }

  // Statements up to a tag of `ends` (whose name is then current), or the template's end if none is
  // given.
  Result<Block> body(Ends ends) {
    if (depth_ >= kBlockDepthMax) {
      return Error(ErrorCode::kExhausted, cat("template line ", current().line,
                                              ": blocks nest more than ", kBlockDepthMax, " deep"));
    }
    ++depth_;
    const uint32_t opened = current().line;
    Block block;
    while (!at_end_tag(ends)) {
      if (current().kind == TokenKind::kEnd) {
        if (ends.size() == 0) break;
        return fail(cat("the block of line ", opened, " has no end; close it with {% ",
                        *(ends.end() - 1), " %}"));
      }
      WEFT_CHECK(statement(block));
    }
    if (ends.size() > 0) advance();
    --depth_;
    return block;
  }

  template <typename Node>
  static void add(Block& block, uint32_t line, Node node) {
    block.push_back(std::make_unique<Statement>(Statement{line, std::move(node)}));
  }

  Result<> end_of_tag() { return expect(TokenKind::kBlockEnd, "%}"); }

  // The body up to `{% end %}`, that tag included.
  Result<Block> body_and_end(std::string_view end) {
    WEFT_TRY(auto block, body({end}));
    advance();
    WEFT_CHECK(end_of_tag());
    return block;
  }

  Result<> statement(Block& block) {
    const uint32_t line = current().line;
    if (current().kind == TokenKind::kText) {
      add(block, line, Text{current().text});
      advance();
      return {};
    }
    if (current().kind == TokenKind::kPrintBegin) {
      advance();
      Print node;
      WEFT_TRY(node.value, tuple());
      WEFT_CHECK(expect(TokenKind::kPrintEnd, "}}"));
      add(block, line, std::move(node));
      return {};
    }
    WEFT_CHECK(expect(TokenKind::kBlockBegin, "{%"));
    return tag(block, line);
  }

  Result<> tag(Block& block, uint32_t line) {
    if (current().kind != TokenKind::kName) return unexpected("a tag's name");
    const std::string name = current().text;
    if (name == "if") return if_tag(block, line);
    if (name == "for") return for_tag(block, line);
    if (name == "set") return set_tag(block, line);
    if (name == "macro") return macro_tag(block, line);
    if (name == "call") return call_tag(block, line);
    if (name == "filter") return filter_tag(block, line);
    if (name == "with") return with_tag(block, line);
    if (name == "generation") return generation_tag(block, line);
    if (name == "break" || name == "continue") {
      if (loops_ == 0) return fail(cat("'", name, "' stands outside a loop"));
      advance();
      WEFT_CHECK(end_of_tag());
      if (name == "break") {
        add(block, line, Break{});
      } else {
        add(block, line, Continue{});
      }
      return {};
    }
    return fail(cat("the tag '", printable(name),
                    "' does not belong here, or is not supported in chat templates"));
  }

  Result<> if_tag(Block& block, uint32_t line) {
    If node;
    do {
      advance();  // if, elif
      WEFT_TRY(auto condition, tuple(false));
      WEFT_CHECK(end_of_tag());
      WEFT_TRY(auto then, body({"elif", "else", "endif"}));
      node.branches.emplace_back(std::move(condition), std::move(then));
    } while (current().is_name("elif"));
    if (skip_name("else")) {
      WEFT_CHECK(end_of_tag());
      WEFT_TRY(node.otherwise, body({"endif"}));
    }
    advance();
    WEFT_CHECK(end_of_tag());
    add(block, line, std::move(node));
    return {};
  }

  Result<> for_tag(Block& block, uint32_t line) {
    advance();
    For node;
    WEFT_TRY(node.target, target());
    if (!skip_name("in")) return unexpected("'in'");
    WEFT_TRY(node.sequence, tuple(false));
    if (skip_name("if")) {
      WEFT_TRY(node.filter, expression());
    }
    if (current().is_name("recursive")) return fail("recursive loops are not supported");
    WEFT_CHECK(end_of_tag());
    ++loops_;
    WEFT_TRY(node.body, body({"else", "endfor"}));
    --loops_;
    if (skip_name("else")) {
      WEFT_CHECK(end_of_tag());
      WEFT_TRY(node.otherwise, body({"endfor"}));
    }
    advance();
    WEFT_CHECK(end_of_tag());
    add(block, line, std::move(node));
    return {};
  }

  Result<> set_tag(Block& block, uint32_t line) {
    advance();
    WEFT_TRY(auto where, target());
    if (skip_operator("=")) {
      Set node{std::move(where), nullptr};
      WEFT_TRY(node.value, tuple());
      WEFT_CHECK(end_of_tag());
      add(block, line, std::move(node));
      return {};
    }
    SetBlock node;
    node.target = std::move(where);
    if (current().is_operator("|")) {
      WEFT_TRY(node.filter, filters(nullptr));
    }
    WEFT_CHECK(end_of_tag());
    WEFT_TRY(node.body, body_and_end("endset"));
    add(block, line, std::move(node));
    return {};
  }

  Result<std::vector<Parameter>> parameters() {
    std::vector<Parameter> list;
    WEFT_CHECK(expect_operator("("));
    while (!current().is_operator(")")) {
      Parameter parameter;
      WEFT_TRY(parameter.name, expect_identifier());
      if (skip_operator("=")) {
        WEFT_TRY(parameter.fallback, expression());
      } else if (!list.empty() && list.back().fallback) {
        return fail("a parameter without a default follows one that has it");
      }
      list.push_back(std::move(parameter));
      if (!skip_operator(",")) break;
    }
    WEFT_CHECK(expect_operator(")"));
    return list;
  }

  // The body of a macro, and which of the special variables it reads. Loops outside are out of its
  // reach.
  Result<> macro_body(MacroDefinition& macro, std::string_view end) {
    std::set<std::string> outside;
    std::swap(outside, names_used());
    const uint32_t loops_outside = std::exchange(loops_, 0);
    WEFT_TRY(macro.body, body_and_end(end));
    loops_ = loops_outside;
    macro.uses_varargs = names_used().contains("varargs");
    macro.uses_kwargs = names_used().contains("kwargs");
    macro.uses_caller = names_used().contains("caller");
    names_used().merge(outside);
    return {};
  }

  Result<> macro_tag(Block& block, uint32_t line) {
    advance();
    MacroDefinition node;
    WEFT_TRY(node.name, expect_identifier());
    WEFT_TRY(node.parameters, parameters());
    WEFT_CHECK(end_of_tag());
    WEFT_CHECK(macro_body(node, "endmacro"));
    add(block, line, std::move(node));
    return {};
  }

  Result<> call_tag(Block& block, uint32_t line) {
    advance();
    CallBlock node;
    node.caller.name = "caller";
    if (current().is_operator("(")) {
      WEFT_TRY(node.caller.parameters, parameters());
    }
    WEFT_TRY(node.call, expression());
    if (!std::holds_alternative<Call>(node.call->node)) return fail("expected a call");
    WEFT_CHECK(end_of_tag());
    WEFT_CHECK(macro_body(node.caller, "endcall"));
    add(block, line, std::move(node));
    return {};
  }

  Result<> filter_tag(Block& block, uint32_t line) {
    advance();
    FilterBlock node;
    WEFT_TRY(node.filter, filters(nullptr));
    WEFT_CHECK(end_of_tag());
    WEFT_TRY(node.body, body_and_end("endfilter"));
    add(block, line, std::move(node));
    return {};
  }

  Result<> with_tag(Block& block, uint32_t line) {
    advance();
    With node;
    while (current().kind != TokenKind::kBlockEnd) {
      if (!node.bindings.empty()) WEFT_CHECK(expect_operator(","));
      WEFT_TRY(auto where, target());
      WEFT_CHECK(expect_operator("="));
      WEFT_TRY(auto value, expression());
      node.bindings.emplace_back(std::move(where), std::move(value));
    }
    WEFT_CHECK(end_of_tag());
    WEFT_TRY(node.body, body_and_end("endwith"));
    add(block, line, std::move(node));
    return {};
  }

  Result<> generation_tag(Block& block, uint32_t line) {
    advance();
    WEFT_CHECK(end_of_tag());
    Region node;
    WEFT_TRY(node.body, body_and_end("endgeneration"));
    add(block, line, std::move(node));
    return {};
  }

  uint32_t depth_ = 0;
  uint32_t loops_ = 0;
};

}  // namespace

Result<Block> parse(std::string_view source) {
  if (source.size() > kSourceBytesMax) {
    return Error(ErrorCode::kExhausted, cat("a chat template may have ",
                                            format_bytes(kSourceBytesMax), ", this one has ",
                                            format_bytes(source.size())));
  }
  WEFT_TRY(const auto tokens, tokenize(source));
  return Parser(tokens).run();
}

}  // namespace weft::model::jinja

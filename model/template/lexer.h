// Cuts a template into tokens, with trim_blocks and lstrip_blocks on and the last newline of the
// source dropped, as the published chat templates expect.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::model::jinja {

enum class TokenKind {
  kText,        // text: what to print
  kBlockBegin,  // {%
  kBlockEnd,
  kPrintBegin,  // {{
  kPrintEnd,
  kName,
  kString,    // text: the value, escapes resolved
  kInteger,   // text: digits, maybe with 0x, 0o or 0b
  kFloat,     // text: digits
  kOperator,  // text: the operator
  kEnd,       // always the last token
};

struct Token {
  TokenKind kind;
  std::string text;
  uint32_t line;  // from 1

  bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
  bool is_operator(std::string_view op) const { return kind == TokenKind::kOperator && text == op; }
};

// kInvalid with the line. Source: the lexical rules of Jinja 3.1 (templates documentation).
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace weft::model::jinja

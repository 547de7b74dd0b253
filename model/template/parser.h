// Builds the program of a template from its tokens.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/template/ast.h"

namespace weft::model::jinja {

// A source's size, and how deep blocks and expressions may lie in one another. Published templates
// need 20 KB and 12 levels.
inline constexpr size_t kSourceBytesMax = 1 << 20;
inline constexpr uint32_t kBlockDepthMax = 64;
inline constexpr uint32_t kExpressionDepthMax = 96;

// kInvalid with the line for what is no template, or one outside the subset (inheritance, imports,
// recursive loops, unpacking of call arguments, unknown filters and tests); kExhausted over a
// limit.
Result<Block> parse(std::string_view source);

}  // namespace weft::model::jinja

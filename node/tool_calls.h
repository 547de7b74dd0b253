// Tool calls as models write them, read and asked for. Three forms are known, by the chat template:
//
//   Hermes, Qwen   <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>
//   Llama 3        {"name": ..., "parameters": {...}}, alone or after <|python_tag|>
//   Mistral        [TOOL_CALLS] [{"name": ..., "arguments": {...}}], or name[ARGS]{...}
//
// Sources: Meta, Llama 3 model cards; NousResearch, Hermes function calling; Mistral AI,
// mistral-common.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/tokenizer.h"

namespace weft::node {

inline constexpr size_t kToolsMax = 128;
inline constexpr size_t kToolNameMax = 64;
inline constexpr uint32_t kCallsMax = 16;  // in one answer

enum class CallForm { kHermes, kLlama3, kMistral };

// Which form a template speaks; Hermes for one that knows no tools.
CallForm call_form(std::string_view template_source);

struct ToolCall {
  std::string name;
  std::string arguments;  // a JSON object's text
};

// The calls in a text in which nothing else stands: of Hermes what is between the tags, of Mistral
// what follows [TOOL_CALLS]. Nothing if it is no call, or more than kCallsMax.
std::optional<std::vector<ToolCall>> parse_calls(CallForm form, std::string_view text);

// The tokens and texts around a call that must be seen though they may be control tokens.
std::vector<TokenId> call_marks(const model::Tokenizer& tokenizer);

// What calls must look like.
struct CallRules {
  nlohmann::ordered_json tools;  // OpenAI's list, checked
  std::string only;              // this function; empty: any of them
  bool several = true;           // else one call
};

// How the answer begins with thoughts, which no grammar binds.
enum class Thoughts { kNone, kMayCome, kHaveBegun };

// The grammar of an answer that is calls and nothing else. kInvalid says where in which tool's
// schema.
Result<std::string> call_grammar(CallForm form, const model::Tokenizer& tokenizer,
                                 const CallRules& rules, Thoughts thoughts);
// A grammar of model/json_schema.h ("root ::= ..." first) after thoughts.
std::string with_thoughts(const std::string& grammar, const model::Tokenizer& tokenizer,
                          Thoughts thoughts);

}  // namespace weft::node

#include "node/tool_calls.h"

#include <algorithm>

#include "base/text.h"
#include "model/grammar.h"
#include "model/json_schema.h"
#include "node/http_json.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kRoot = "root ::= ";
constexpr std::string_view kMarks[] = {"[TOOL_CALLS]",   "[ARGS]",      "[CALL_ID]",
                                       "<|python_tag|>", "<tool_call>", "</tool_call>",
                                       "<think>",        "</think>"};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Where the JSON object or list that begins at `at` ends; npos if it does not.
size_t value_end(std::string_view text, size_t at) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && (depth == 0 || --depth == 0)) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// JSON of a model: untrusted, so with the bounds of a request's.
std::optional<Json> parse_value(std::string_view text) {
  if (!parse_json_object(text).ok()) return std::nullopt;
  Json value = Json::parse(text, nullptr, false);  // again, as it keeps the order of members
  if (!value.is_object()) return std::nullopt;
  return value;
}

std::optional<ToolCall> call_of(const Json& value) {
  const auto name = value.find("name");
  if (name == value.end() || !name->is_string()) return std::nullopt;
  const auto& text = name->get_ref<const std::string&>();
  if (text.empty() || text.size() > kToolNameMax) return std::nullopt;
  ToolCall call{text, "{}"};
  for (const char* key : {"arguments", "parameters"}) {
    const auto found = value.find(key);
    if (found == value.end()) continue;
    if (found->is_object()) {
      call.arguments = json_text(*found);
    } else if (found->is_string()) {
      call.arguments = found->get<std::string>();
    } else {
      return std::nullopt;
    }
    return call;
  }
  return call;
}

// Objects after one another, with blanks, commas and semicolons between them.
std::optional<std::vector<ToolCall>> calls_in_row(std::string_view text) {
  std::vector<ToolCall> calls;
  for (size_t at = text.find_first_not_of(" \t\r\n,;"); at < text.size();
       at = text.find_first_not_of(" \t\r\n,;", at)) {
    const size_t end = text[at] == '{' ? value_end(text, at) : std::string_view::npos;
    if (end == std::string_view::npos || calls.size() == kCallsMax) return std::nullopt;
    const auto value = parse_value(text.substr(at, end - at));
    auto call = value ? call_of(*value) : std::nullopt;
    if (!call) return std::nullopt;
    calls.push_back(*std::move(call));
    at = end;
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

// name[ARGS]{...}, or name{...}; one after the other, each after [TOOL_CALLS].
std::optional<std::vector<ToolCall>> named_calls(std::string_view text) {
  std::vector<ToolCall> calls;
  for (std::string_view rest = trim(text); !rest.empty(); rest = trim(rest)) {
    if (rest.starts_with(kMarks[0])) rest.remove_prefix(kMarks[0].size());
    const size_t open = rest.find('{');
    const size_t end = open < rest.size() ? value_end(rest, open) : open;
    if (end == std::string_view::npos || calls.size() == kCallsMax) return std::nullopt;
    std::string_view name = rest.substr(0, open);
    name = trim(name.substr(0, std::min(name.find("[CALL_ID]"), name.find("[ARGS]"))));
    const auto value = parse_value(rest.substr(open, end - open));
    if (name.empty() || name.size() > kToolNameMax || !value) return std::nullopt;
    calls.push_back({std::string(name), std::string(rest.substr(open, end - open))});
    rest.remove_prefix(end);
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

// How a grammar writes a token's text: control tokens cannot be spelt out.
std::string mark(const model::Tokenizer& tokenizer, std::string_view text) {
  const auto token = tokenizer.find(text);
  if (token && tokenizer.is_control(*token)) return cat("<", text, ">");
  return model::grammar_literal(text);
}

// Rules for all text up to </think>, as the automaton that looks for it would go.
std::string thought_rules(const model::Tokenizer& tokenizer) {
  constexpr std::string_view kEnd = "</think>";
  std::string rules;
  for (size_t i = 0; i < kEnd.size(); ++i) {
    const std::string next = i + 1 < kEnd.size() ? cat(" thought", i + 1) : std::string();
    const char c = kEnd[i];
    rules += cat("thought", i, " ::= \"", c, "\"", next);
    if (i > 0) rules += " | \"<\" thought1";
    rules += i == 0 ? " | [^<] thought0" : cat(" | [^<", c, "] thought0");
    const std::string as_token = mark(tokenizer, kEnd);
    if (i == 0 && as_token[0] == '<') rules += " | " + as_token;
    rules += "\n";
  }
  return rules;
}

}  // namespace

CallForm call_form(std::string_view source) {
  if (contains(source, "[TOOL_CALLS]")) return CallForm::kMistral;
  if (contains(source, "<tool_call>") || !contains(source, "tools")) return CallForm::kHermes;
  return CallForm::kLlama3;
}

std::optional<std::vector<ToolCall>> parse_calls(CallForm form, std::string_view text) {
  text = trim(text);
  if (form == CallForm::kLlama3 && text.starts_with("<|python_tag|>")) {
    text.remove_prefix(std::string_view("<|python_tag|>").size());
  }
  if (form != CallForm::kMistral) return calls_in_row(text);
  if (!text.starts_with('[') || text.starts_with(kMarks[0])) return named_calls(text);
  const size_t end = value_end(text, 0);
  if (end != text.size()) return std::nullopt;
  return calls_in_row(text.substr(1, text.size() - 2));
}

std::vector<TokenId> call_marks(const model::Tokenizer& tokenizer) {
  std::vector<TokenId> marks;
  for (const std::string_view text : kMarks) {
    if (const auto token = tokenizer.find(text)) marks.push_back(*token);
  }
  return marks;
}

Result<std::string> call_grammar(CallForm form, const model::Tokenizer& tokenizer,
                                 const CallRules& rules, Thoughts thoughts) {
  model::SchemaGrammar grammar;
  const std::string_view key = form == CallForm::kLlama3 ? "parameters" : "arguments";
  std::string one;
  for (const Json& tool : rules.tools) {
    const Json& function = tool["function"];
    const auto name = function["name"].get<std::string>();
    if (!rules.only.empty() && name != rules.only) continue;
    std::string arguments = grammar.any_object();
    if (function.contains("parameters") && function["parameters"].is_object() &&
        !function["parameters"].empty()) {
      WEFT_TRY(arguments, grammar.add(function["parameters"]).within(cat("tool '", name, "'")));
    }
    const std::string before = cat("{\"name\": ", Json(name).dump(), ", \"", key, "\": ");
    one +=
        cat(one.empty() ? "(" : " | ", model::grammar_literal(before), " (", arguments, ") \"}\"");
  }
  one += ")";
  const uint32_t more = rules.several && rules.only.empty() ? kCallsMax - 1 : 0;
  std::string root = one;
  if (form == CallForm::kHermes) {
    root = cat(mark(tokenizer, "<tool_call>"), " \"\\n\" ", one, " \"\\n\" ",
               mark(tokenizer, "</tool_call>"));
    if (more > 0) root = cat("hermes (\"\\n\" hermes){0,", more, "}\nhermes ::= ", root);
  } else if (form == CallForm::kMistral) {
    const std::string list =
        more > 0 ? cat("call (\",\" \" \"? call){0,", more, "}") : std::string("call");
    root = cat(mark(tokenizer, kMarks[0]), " \" \"? \"[\" ", list, " \"]\"\ncall ::= ", one);
  }
  std::string text = with_thoughts(grammar.text(root), tokenizer, thoughts);
  if (text.size() > kGrammarBytesMax) {
    return Error(ErrorCode::kInvalid, cat("the tools' schemas make a grammar of ", text.size(),
                                          " bytes; it may have ", kGrammarBytesMax));
  }
  WEFT_CHECK(model::Grammar::parse(text));
  return text;
}

std::string with_thoughts(const std::string& grammar, const model::Tokenizer& tokenizer,
                          Thoughts thoughts) {
  if (thoughts == Thoughts::kNone) return grammar;
  std::string root = cat("thought0 [\\n]{0,2} answer");
  if (thoughts == Thoughts::kMayCome) {
    root = cat("(", mark(tokenizer, "<think>"), " thought0 [\\n]{0,2})? answer");
  }
  return cat(kRoot, root, "\n", thought_rules(tokenizer),
             "answer ::= ", std::string_view(grammar).substr(kRoot.size()));
}

}  // namespace weft::node

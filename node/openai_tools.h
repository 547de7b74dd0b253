// The parts of a request that say what an answer may be: tools, formats, grammars.
// Source: OpenAI API reference, "Chat", `tools`, `tool_choice`, `response_format`; `grammar` and
// `json_schema` as llama.cpp's server has them.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "node/service.h"

namespace weft::node {

// `ordered` is the same object with its members in the order they came in: a schema's order is the
// answer's.

// tools, tool_choice, parallel_tool_calls. kInvalid says which is wrong. A format or grammar beside
// tools that may be called is kInvalid.
Result<> parse_tools(const nlohmann::json& object, const nlohmann::ordered_json& ordered,
                     CompletionRequest& request);

// response_format, grammar, json_schema: at most one of them. kInvalid says where a schema or
// grammar is wrong.
Result<> parse_format(const nlohmann::json& object, const nlohmann::ordered_json& ordered,
                      CompletionRequest& request);

// tool_calls, tool_call_id and reasoning_content of a message; checked, they go to `said`.
Result<> parse_message_calls(const nlohmann::json& message, const std::string& role,
                             const std::string& where, nlohmann::ordered_json& said);

}  // namespace weft::node

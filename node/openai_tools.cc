#include "node/openai_tools.h"

#include <algorithm>

#include "base/text.h"
#include "model/grammar.h"
#include "model/json_schema.h"
#include "node/request_fields.h"
#include "node/tool_calls.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

bool is_tool_name(const Json* name) {
  if (!name || !name->is_string()) return false;
  const auto& text = name->get_ref<const std::string&>();
  return !text.empty() && text.size() <= kToolNameMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

// {"type": "function", "function": {"name", ...}}; null: it is not that.
const Json* function_of(const Json& tool) {
  if (!tool.is_object() || tool.value("type", Json()) != "function") return nullptr;
  const Json* function = field(tool, "function");
  return function && function->is_object() && is_tool_name(field(*function, "name")) ? function
                                                                                     : nullptr;
}

Result<> parse_choice(const Json& object, CompletionRequest& request) {
  const Json* choice = field(object, "tool_choice");
  if (!choice || *choice == "auto") return {};
  if (*choice == "none") {
    request.tool_choice = ToolChoice::kNone;
    return {};
  }
  if (*choice != "required") {
    const Json* function = function_of(*choice);
    if (!function) {
      return invalid_field("tool_choice",
                           "must be \"none\", \"auto\", \"required\" or {\"type\": \"function\", "
                           "\"function\": {\"name\": ...}}");
    }
    request.only_tool = (*function)["name"].get<std::string>();
  }
  request.tool_choice = ToolChoice::kRequired;
  const bool known =
      request.tools.is_array() &&
      std::any_of(request.tools.begin(), request.tools.end(), [&](const auto& tool) {
        return request.only_tool.empty() || tool["function"]["name"] == request.only_tool;
      });
  if (!known) {
    return invalid_field("tool_choice",
                         request.only_tool.empty()
                             ? std::string("needs 'tools'")
                             : cat("names '", request.only_tool, "', which 'tools' lacks"));
  }
  return {};
}

Result<> set_schema(const nlohmann::ordered_json& schema, CompletionRequest& request) {
  if (!schema.is_object()) return Error(ErrorCode::kInvalid, "a JSON schema must be an object");
  WEFT_TRY(request.grammar, model::json_schema_grammar(schema));
  request.grammar_is_ours = true;
  return {};
}

}  // namespace

Result<> parse_tools(const Json& object, const nlohmann::ordered_json& ordered,
                     CompletionRequest& request) {
  if (const Json* tools = field(object, "tools")) {
    if (!tools->is_array() || tools->size() > kToolsMax) {
      return invalid_field("tools", cat("must be a list of at most ", kToolsMax, " tools"));
    }
    auto checked = nlohmann::ordered_json::array();
    for (size_t i = 0; i < tools->size(); ++i) {
      const Json* function = function_of((*tools)[i]);
      if (!function) {
        return invalid_field(
            cat("tools[", i, "]"),
            cat("must be {\"type\": \"function\", \"function\": {\"name\": ...}} with a "
                "name of 1 to ",
                kToolNameMax, " letters, digits, '_', '-' and '.'"));
      }
      checked.push_back(ordered["tools"][i]);
    }
    if (!checked.empty()) request.tools = std::move(checked);
  }
  WEFT_CHECK(parse_choice(object, request));
  WEFT_TRY(request.several_calls, flag_field(object, "parallel_tool_calls", true));
  if (!request.grammar.empty() && request.tools.is_array() &&
      request.tool_choice != ToolChoice::kNone) {
    return invalid_field("tools",
                         "that may be called, and a format or grammar of the answer, are one "
                         "too many; give \"tool_choice\": \"none\" or leave one out");
  }
  return {};
}

Result<> parse_format(const Json& object, const nlohmann::ordered_json& ordered,
                      CompletionRequest& request) {
  int given = 0;
  if (const Json* grammar = field(object, "grammar"); grammar && *grammar != "") {
    WEFT_TRY(request.grammar, text_field(object, "grammar"));
    WEFT_CHECK(model::Grammar::parse(request.grammar));
    ++given;
  }
  if (field(object, "json_schema")) {
    WEFT_CHECK(set_schema(ordered["json_schema"], request));
    ++given;
  }
  if (const Json* format = field(object, "response_format")) {
    const Json* type = format->is_object() ? field(*format, "type") : nullptr;
    if (!type || (*type != "text" && *type != "json_object" && *type != "json_schema")) {
      return invalid_field("response_format",
                           "needs a 'type' of \"text\", \"json_object\" or \"json_schema\"");
    }
    const auto& same = ordered["response_format"];
    if (*type == "json_schema") {
      const Json* named = field(*format, "json_schema");
      if (!named || !named->is_object() || !field(*named, "schema")) {
        return invalid_field("response_format", "needs 'json_schema' with a 'schema'");
      }
      WEFT_CHECK(set_schema(same["json_schema"]["schema"], request));
    } else if (*type == "json_object" && field(*format, "schema")) {
      WEFT_CHECK(set_schema(same["schema"], request));
    } else if (*type == "json_object") {
      request.grammar = model::json_object_grammar();
      request.grammar_is_ours = true;
    }
    given += *type != "text";
  }
  if (given > 1) {
    return invalid_field("grammar", "and other formats of the answer exclude each other; give one");
  }
  return {};
}

Result<> parse_message_calls(const Json& message, const std::string& role, const std::string& where,
                             nlohmann::ordered_json& said) {
  const Json* calls = field(message, "tool_calls");
  if (calls && role == "assistant") {
    if (!calls->is_array() || calls->size() > kToolsMax) {
      return invalid_field(where + ".tool_calls", cat("must be a list of at most ", kToolsMax));
    }
    auto checked = nlohmann::ordered_json::array();
    for (const Json& call : *calls) {
      const Json* function = function_of(call);
      const Json* arguments = function ? field(*function, "arguments") : nullptr;
      const Json* id = function ? field(call, "id") : nullptr;
      if (!function || (arguments && !arguments->is_string()) || (id && !id->is_string())) {
        return invalid_field(where + ".tool_calls",
                             "must hold {\"id\", \"type\": \"function\", \"function\": {\"name\", "
                             "\"arguments\": a JSON text}}");
      }
      checked.push_back({{"id", id ? id->get<std::string>() : ""},
                         {"type", "function"},
                         {"function",
                          {{"name", (*function)["name"].get<std::string>()},
                           {"arguments", arguments ? arguments->get<std::string>() : "{}"}}}});
    }
    said["tool_calls"] = std::move(checked);
  }
  for (const char* name : {"tool_call_id", "name", "reasoning_content"}) {
    WEFT_TRY(const std::string text, text_field(message, name).within(where));
    if (!text.empty()) said[name] = text;
  }
  return {};
}

}  // namespace weft::node

#include "node/openai_response.h"

#include "base/text.h"
#include "node/http_json.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kDenied:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kExhausted:
      return 429;
    case ErrorCode::kUnsupported:
      return 501;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled:
    case ErrorCode::kStale:
      return 503;
    case ErrorCode::kTimeout:
      return 504;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable";
    case 504:
      return "timeout";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

Json usage_json(const mesh::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", uint64_t{usage.prompt_tokens} + usage.completion_tokens}};
}

Json head_json(const AnswerHead& head, const char* chat_object) {
  return {{"id", head.id},
          {"object", head.chat ? chat_object : "text_completion"},
          {"created", head.created},
          {"model", head.model}};
}

// A token as that API shows it: as text, and its bytes, which may be a part of a character.
Json token_json(const TokenReport& token) {
  Json bytes = Json::array();
  for (const char c : token.bytes) bytes.push_back(uint8_t(c));
  return {{"token", utf8_sanitize(token.bytes)},
          {"logprob", token.logprob},
          {"bytes", std::move(bytes)}};
}

Json chat_logprobs(const std::vector<DrawnReport>& tokens) {
  Json content = Json::array();
  for (const DrawnReport& drawn : tokens) {
    Json one = token_json(drawn.token);
    one["top_logprobs"] = Json::array();
    for (const TokenReport& top : drawn.top) one["top_logprobs"].push_back(token_json(top));
    content.push_back(std::move(one));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json legacy_logprobs(const std::vector<DrawnReport>& tokens) {
  Json texts = Json::array(), values = Json::array(), tops = Json::array();
  for (const DrawnReport& drawn : tokens) {
    texts.push_back(utf8_sanitize(drawn.token.bytes));
    values.push_back(drawn.token.logprob);
    Json top = Json::object();
    for (const TokenReport& one : drawn.top) top[utf8_sanitize(one.bytes)] = one.logprob;
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)}};
}

Json logprobs_json(bool chat, const std::vector<DrawnReport>& tokens) {
  return chat ? chat_logprobs(tokens) : legacy_logprobs(tokens);
}

Json call_json(const ToolCallDelta& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

// `content` is the chat's delta, or the completion's text.
std::string chunk(const ChunkMaker& maker, size_t index, Json content, Json reason,
                  const std::vector<DrawnReport>& tokens = {}) {
  Json choice = {{"index", index}};
  choice[maker.head.chat ? "delta" : "text"] = std::move(content);
  choice["logprobs"] = tokens.empty() ? Json() : logprobs_json(maker.head.chat, tokens);
  choice["finish_reason"] = std::move(reason);
  Json json = head_json(maker.head, "chat.completion.chunk");
  json["choices"] = Json::array({std::move(choice)});
  if (maker.usage_follows) json["usage"] = nullptr;
  return json_text(json);
}

Json model_object(const ServedModel& model, int64_t created) {
  return {{"id", model.name},
          {"object", "model"},
          {"created", created},
          {"owned_by", "weft"},
          {"active", model.active},
          {"file_bytes", model.file_bytes},
          {"context_length", model.context_length}};
}

}  // namespace

ApiError api_error(const Error& error) {
  const int status = status_of(error.code);
  return {status, error.message, std::string(type_of(status)),
          std::string(error_code_name(error.code))};
}

std::string error_json(const ApiError& error) {
  const std::string type = error.type.empty() ? std::string(type_of(error.status)) : error.type;
  const Json json = {{"error",
                      {{"message", error.message},
                       {"type", type},
                       {"param", nullptr},
                       {"code", error.code.empty() ? Json() : Json(error.code)}}}};
  return json_text(json);
}

mesh::Usage total_usage(const std::vector<mesh::Usage>& choices) {
  mesh::Usage total;
  for (const mesh::Usage& one : choices) {
    total.prompt_tokens = one.prompt_tokens;
    total.completion_tokens += one.completion_tokens;
  }
  return total;
}

std::string answer_json(const AnswerHead& head, const std::vector<Choice>& choices,
                        bool with_logprobs) {
  Json list = Json::array();
  std::vector<mesh::Usage> usages;
  for (const Choice& given : choices) {
    Json choice = {{"index", list.size()}};
    if (head.chat) {
      const bool calls_alone = given.text.empty() && !given.calls.empty();
      Json message = {{"role", "assistant"},
                      {"content", calls_alone ? Json() : Json(given.text)},
                      {"refusal", nullptr}};
      if (!given.reasoning.empty()) message["reasoning_content"] = given.reasoning;
      for (const ToolCallDelta& call : given.calls)
        message["tool_calls"].push_back(call_json(call));
      choice["message"] = std::move(message);
    } else {
      choice["text"] = given.text;
    }
    choice["logprobs"] = with_logprobs ? logprobs_json(head.chat, given.tokens) : Json();
    choice["finish_reason"] = given.finish.reason;
    list.push_back(std::move(choice));
    usages.push_back(given.finish.usage);
  }
  Json json = head_json(head, "chat.completion");
  json["choices"] = std::move(list);
  json["usage"] = usage_json(total_usage(usages));
  return json_text(json);
}

std::string ChunkMaker::role(size_t choice) const {
  return chunk(*this, choice, {{"role", "assistant"}, {"content", ""}}, nullptr);
}

std::string ChunkMaker::delta(size_t choice, const TextDelta& delta) const {
  return chunk(*this, choice, head.chat ? Json({{"content", delta.text}}) : Json(delta.text),
               nullptr, delta.tokens);
}

std::string ChunkMaker::reasoning(size_t choice, std::string_view text) const {
  return chunk(*this, choice, {{"reasoning_content", text}}, nullptr);
}

std::vector<std::string> ChunkMaker::call(size_t choice, const ToolCallDelta& call) const {
  Json named = call_json(call);
  named["function"]["arguments"] = "";
  Json head_part = {{"index", call.index}};
  head_part.update(named);
  const Json arguments = {{"index", call.index}, {"function", {{"arguments", call.arguments}}}};
  return {chunk(*this, choice, {{"tool_calls", Json::array({head_part})}}, nullptr),
          chunk(*this, choice, {{"tool_calls", Json::array({arguments})}}, nullptr)};
}

std::string ChunkMaker::finish(size_t choice, std::string_view reason) const {
  return chunk(*this, choice, head.chat ? Json::object() : Json(""), reason);
}

std::string ChunkMaker::usage(const mesh::Usage& usage) const {
  Json json = head_json(head, "chat.completion.chunk");
  json["choices"] = Json::array();
  json["usage"] = usage_json(usage);
  return json_text(json);
}

std::string models_json(const std::vector<ServedModel>& models, int64_t created) {
  Json data = Json::array();
  for (const ServedModel& model : models) data.push_back(model_object(model, created));
  return json_text(Json{{"object", "list"}, {"data", std::move(data)}});
}

std::string model_json(const ServedModel& model, int64_t created) {
  return json_text(model_object(model, created));
}

}  // namespace weft::node

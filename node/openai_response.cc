#include "node/openai_response.h"

#include "node/http_json.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid: return 400;
    case ErrorCode::kDenied: return 403;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kConflict: return 409;
    case ErrorCode::kExhausted: return 429;
    case ErrorCode::kUnsupported: return 501;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled:
    case ErrorCode::kStale: return 503;
    case ErrorCode::kTimeout: return 504;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal: return 500;
  }
  return 500;
}

std::string_view type_of(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    case 503: return "service_unavailable";
    case 504: return "timeout";
    default: return status < 500 ? "invalid_request_error" : "server_error";
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

// `content` is the chat's delta, or the completion's text.
std::string chunk(const ChunkMaker& maker, Json content, Json reason) {
  Json choice = {{"index", 0}};
  choice[maker.head.chat ? "delta" : "text"] = std::move(content);
  choice["logprobs"] = nullptr;
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

std::string answer_json(const AnswerHead& head, std::string_view text, const Finish& finish) {
  Json choice = {{"index", 0}};
  if (head.chat) {
    choice["message"] = {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
  } else {
    choice["text"] = text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish.reason;
  Json json = head_json(head, "chat.completion");
  json["choices"] = Json::array({std::move(choice)});
  json["usage"] = usage_json(finish.usage);
  return json_text(json);
}

std::string ChunkMaker::role() const {
  return chunk(*this, {{"role", "assistant"}, {"content", ""}}, nullptr);
}

std::string ChunkMaker::delta(std::string_view text) const {
  return chunk(*this, head.chat ? Json({{"content", text}}) : Json(text), nullptr);
}

std::string ChunkMaker::finish(std::string_view reason) const {
  return chunk(*this, head.chat ? Json::object() : Json(""), reason);
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

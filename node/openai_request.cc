#include "node/openai_request.h"

#include <array>
#include <cmath>

#include "base/text.h"
#include "node/chat.h"
#include "node/http_json.h"
#include "node/openai_tools.h"
#include "node/request_fields.h"
#include "node/text_output.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

constexpr double kTemperatureMax = 2;  // as the API reference has it
constexpr double kPenaltyMax = 100;
constexpr uint32_t kTopKMax = 1u << 24;
constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                    "tool"};

Result<std::string> stop_text(const Json& value) {
  if (!value.is_string()) return invalid_field("stop", "must be a string or a list of strings");
  auto stop = value.get<std::string>();
  if (stop.empty() || stop.size() > kStopBytesMax) {
    return invalid_field("stop", cat("must hold texts of 1 to ", kStopBytesMax, " bytes"));
  }
  return stop;
}

Result<std::vector<std::string>> stop_texts(const Json& object) {
  std::vector<std::string> stops;
  const Json* value = field(object, "stop");
  if (!value) return stops;
  if (!value->is_array()) {
    WEFT_TRY(std::string stop, stop_text(*value));
    stops.push_back(std::move(stop));
    return stops;
  }
  if (value->size() > kStopTextsMax) {
    return invalid_field("stop", cat("may hold at most ", kStopTextsMax, " texts"));
  }
  for (const Json& item : *value) {
    WEFT_TRY(std::string stop, stop_text(item));
    stops.push_back(std::move(stop));
  }
  return stops;
}

Result<uint64_t> seed_of(const Json& object, uint64_t fresh_seed) {
  const Json* value = field(object, "seed");
  if (!value) return fresh_seed;
  if (!value->is_number_integer())
    return invalid_field("seed", "must be a whole number of 64 bits");
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  return uint64_t(value->get<int64_t>());
}

Result<uint32_t> max_tokens(const Json& object) {
  WEFT_TRY(const uint32_t old_name, whole_field(object, "max_tokens", 1, kMaxTokensMost, 0));
  WEFT_TRY(const uint32_t new_name,
           whole_field(object, "max_completion_tokens", 1, kMaxTokensMost, 0));
  return new_name ? new_name : old_name;
}

// {"token id": bias}.
Result<std::vector<LogitBias>> logit_bias(const Json& object) {
  std::vector<LogitBias> biases;
  const Json* value = field(object, "logit_bias");
  if (!value) return biases;
  if (!value->is_object() || value->size() > kLogitBiasMax) {
    return invalid_field("logit_bias", cat("must be an object of at most ", kLogitBiasMax,
                                           " token ids and their biases"));
  }
  for (const auto& [key, bias] : value->items()) {
    const auto token = parse_u64(key);
    const bool fits = token.ok() && *token <= INT32_MAX && bias.is_number() &&
                      std::abs(bias.get<double>()) <= 100;
    if (!fits) return invalid_field("logit_bias", "maps token ids to numbers from -100 to 100");
    biases.push_back({TokenId(*token), bias.get<float>()});
  }
  return biases;
}

// Chat: logprobs says whether, top_logprobs how many; completions: logprobs says how many.
Result<uint32_t> logprobs(const Json& object, bool chat) {
  if (!chat) {
    if (const Json* value = field(object, "logprobs"); !value || *value == false) return 0u;
    WEFT_TRY(const uint32_t top, whole_field(object, "logprobs", 0, kTopLogprobsMax, 0));
    return top + 1;
  }
  WEFT_TRY(const bool wanted, flag_field(object, "logprobs"));
  WEFT_TRY(const uint32_t top, whole_field(object, "top_logprobs", 0, kTopLogprobsMax, 0));
  if (top > 0 && !wanted) return invalid_field("top_logprobs", "needs \"logprobs\": true");
  return wanted ? top + 1 : 0;
}

Result<SamplingParams> sampling(const Json& object, uint64_t fresh_seed) {
  SamplingParams params;
  WEFT_TRY(params.temperature, number_field(object, "temperature", 0, kTemperatureMax, 1));
  WEFT_TRY(params.top_p, number_field(object, "top_p", 0, 1, 1));
  WEFT_TRY(params.min_p, number_field(object, "min_p", 0, 1, 0));
  WEFT_TRY(params.top_k, whole_field(object, "top_k", 0, kTopKMax, 0));
  const char* repetition =
      field(object, "repeat_penalty") ? "repeat_penalty" : "repetition_penalty";
  WEFT_TRY(params.repetition_penalty, number_field(object, repetition, 0.01, kPenaltyMax, 1));
  WEFT_TRY(params.presence_penalty, number_field(object, "presence_penalty", -2, 2, 0));
  WEFT_TRY(params.frequency_penalty, number_field(object, "frequency_penalty", -2, 2, 0));
  WEFT_TRY(params.logit_bias, logit_bias(object));
  WEFT_TRY(params.seed, seed_of(object, fresh_seed));
  return params;
}

// What both kinds of request share.
Result<OpenAiRequest> parse_common(const Json& object, const nlohmann::ordered_json& ordered,
                                   bool chat, uint64_t fresh_seed) {
  OpenAiRequest request;
  WEFT_TRY(request.completion.model, text_field(object, "model"));
  WEFT_TRY(request.completion.max_tokens, max_tokens(object));
  WEFT_TRY(request.completion.sampling, sampling(object, fresh_seed));
  WEFT_TRY(request.completion.stop, stop_texts(object));
  WEFT_TRY(request.stream, flag_field(object, "stream"));
  if (const Json* options = field(object, "stream_options")) {
    if (!options->is_object()) return invalid_field("stream_options", "must be an object");
    WEFT_TRY(request.include_usage, flag_field(*options, "include_usage"));
  }
  WEFT_TRY(request.choices, whole_field(object, "n", 1, kChoicesMax, 1));
  WEFT_TRY(request.completion.sampling.logprobs, logprobs(object, chat));
  WEFT_CHECK(parse_format(object, ordered, request.completion));
  return request;
}

// A message's text: a string, or parts of {"type": "text", "text": ...}.
Result<std::string> message_text(const Json& message, const std::string& where) {
  const Json* content = field(message, "content");
  if (!content && field(message, "tool_calls")) return std::string();
  if (!content) return invalid_field(where + ".content", "is missing");
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) {
    return invalid_field(where + ".content", "must be a string or a list of text parts");
  }
  std::string joined;
  for (const Json& part : *content) {
    const Json* type = part.is_object() ? field(part, "type") : nullptr;
    const Json* words = part.is_object() ? field(part, "text") : nullptr;
    if (!type || *type != "text" || !words || !words->is_string()) {
      return invalid_field(
          where + ".content",
          "may hold parts {\"type\": \"text\", \"text\": ...} only; this server reads "
          "no pictures, sound or files");
    }
    joined += words->get_ref<const std::string&>();
  }
  return joined;
}

Result<nlohmann::ordered_json> parse_messages(const Json& object) {
  const Json* messages = field(object, "messages");
  if (!messages || !messages->is_array() || messages->empty()) {
    return invalid_field("messages", "must be a list of at least one message");
  }
  if (messages->size() > kChatMessagesMax) {
    return invalid_field("messages", cat("may hold at most ", kChatMessagesMax, " messages"));
  }
  auto checked = nlohmann::ordered_json::array();
  for (size_t i = 0; i < messages->size(); ++i) {
    const Json& message = (*messages)[i];
    const std::string where = cat("messages[", i, "]");
    if (!message.is_object()) return invalid_field(where, "must be an object {role, content}");
    WEFT_TRY(std::string role, text_field(message, "role").within(where));
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
      return invalid_field(where + ".role", "must be system, developer, user, assistant or tool");
    }
    // The API's newer name for the same thing; templates know the older.
    if (role == "developer") role = "system";
    WEFT_TRY(std::string content, message_text(message, where));
    nlohmann::ordered_json said = {{"role", role}, {"content", std::move(content)}};
    WEFT_CHECK(parse_message_calls(message, role, where, said));
    checked.push_back(std::move(said));
  }
  return checked;
}

}  // namespace

Result<OpenAiRequest> parse_chat_request(std::string_view body, uint64_t fresh_seed) {
  WEFT_TRY(const Json object, parse_json_object(body));
  const auto ordered = nlohmann::ordered_json::parse(body, nullptr, false);
  WEFT_TRY(OpenAiRequest request, parse_common(object, ordered, true, fresh_seed));
  request.completion.chat = true;
  WEFT_TRY(request.completion.messages, parse_messages(object));
  WEFT_CHECK(parse_tools(object, ordered, request.completion));
  return request;
}

Result<OpenAiRequest> parse_completion_request(std::string_view body, uint64_t fresh_seed) {
  WEFT_TRY(const Json object, parse_json_object(body));
  const auto ordered = nlohmann::ordered_json::parse(body, nullptr, false);
  WEFT_TRY(OpenAiRequest request, parse_common(object, ordered, false, fresh_seed));
  const Json* prompt = field(object, "prompt");
  // Some clients send one prompt as a list of one.
  if (prompt && prompt->is_array() && prompt->size() == 1) prompt = &prompt->front();
  if (!prompt || !prompt->is_string()) return invalid_field("prompt", "must be a string");
  request.completion.prompt = prompt->get<std::string>();
  return request;
}

Result<TokenizeRequest> parse_tokenize_request(std::string_view body) {
  WEFT_TRY(const Json object, parse_json_object(body));
  TokenizeRequest request;
  WEFT_TRY(request.model, text_field(object, "model"));
  const char* name = field(object, "prompt") ? "prompt" : "content";
  if (!field(object, name)) return invalid_field("content", "is missing");
  WEFT_TRY(request.content, text_field(object, name));
  WEFT_TRY(request.add_special, flag_field(object, "add_special"));
  WEFT_TRY(request.parse_special, flag_field(object, "parse_special"));
  return request;
}

Result<DetokenizeRequest> parse_detokenize_request(std::string_view body) {
  WEFT_TRY(const Json object, parse_json_object(body));
  DetokenizeRequest request;
  WEFT_TRY(request.model, text_field(object, "model"));
  const Json* tokens = field(object, "tokens");
  if (!tokens || !tokens->is_array()) return invalid_field("tokens", "must be a list of token ids");
  for (const Json& token : *tokens) {
    if (!token.is_number_unsigned() || token.get<uint64_t>() > INT32_MAX) {
      return invalid_field("tokens", "must be a list of token ids");
    }
    request.tokens.push_back(TokenId(token.get<uint64_t>()));
  }
  return request;
}

}  // namespace weft::node

#include "node/openai_request.h"

#include <array>
#include <cmath>

#include "base/text.h"
#include "node/chat.h"
#include "node/http_json.h"
#include "node/text_output.h"

namespace weft::node {
namespace {

using Json = nlohmann::json;

constexpr double kTemperatureMax = 2;  // as the API reference has it
constexpr double kPenaltyMax = 100;
constexpr uint32_t kTopKMax = 1u << 24;
constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant",
                                                    "tool"};

Error invalid(std::string_view field, std::string_view what) {
  return Error(ErrorCode::kInvalid, cat("'", field, "' ", what));
}

// Null counts as absent.
const Json* field(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<double> number(const Json& object, const char* name, double low, double high,
                      double fallback) {
  const Json* value = field(object, name);
  if (!value) return fallback;
  if (!value->is_number()) return invalid(name, "must be a number");
  const double x = value->get<double>();
  // Written so that NaN fails.
  if (!(x >= low && x <= high)) {
    return invalid(name, cat("is ", x, "; it must be from ", low, " to ", high));
  }
  return x;
}

Result<uint32_t> whole(const Json& object, const char* name, uint32_t low, uint32_t high,
                       uint32_t fallback) {
  const Json* value = field(object, name);
  if (!value) return fallback;
  const bool in_range = value->is_number_unsigned() && value->get<uint64_t>() >= low &&
                        value->get<uint64_t>() <= high;
  if (!in_range) return invalid(name, cat("must be a whole number from ", low, " to ", high));
  return uint32_t(value->get<uint64_t>());
}

Result<bool> flag(const Json& object, const char* name) {
  const Json* value = field(object, name);
  if (!value) return false;
  if (!value->is_boolean()) return invalid(name, "must be true or false");
  return value->get<bool>();
}

Result<std::string> text(const Json& object, const char* name) {
  const Json* value = field(object, name);
  if (!value) return std::string();
  if (!value->is_string()) return invalid(name, "must be a string");
  return value->get<std::string>();
}

Result<std::string> stop_text(const Json& value) {
  if (!value.is_string()) return invalid("stop", "must be a string or a list of strings");
  auto stop = value.get<std::string>();
  if (stop.empty() || stop.size() > kStopBytesMax) {
    return invalid("stop", cat("must hold texts of 1 to ", kStopBytesMax, " bytes"));
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
    return invalid("stop", cat("may hold at most ", kStopTextsMax, " texts"));
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
  if (!value->is_number_integer()) return invalid("seed", "must be a whole number of 64 bits");
  if (value->is_number_unsigned()) return value->get<uint64_t>();
  return uint64_t(value->get<int64_t>());
}

Result<uint32_t> max_tokens(const Json& object) {
  WEFT_TRY(const uint32_t old_name, whole(object, "max_tokens", 1, kMaxTokensMost, 0));
  WEFT_TRY(const uint32_t new_name, whole(object, "max_completion_tokens", 1, kMaxTokensMost, 0));
  return new_name ? new_name : old_name;
}

Result<SamplingParams> sampling(const Json& object, uint64_t fresh_seed) {
  SamplingParams params;
  WEFT_TRY(params.temperature, number(object, "temperature", 0, kTemperatureMax, 1));
  WEFT_TRY(params.top_p, number(object, "top_p", 0, 1, 1));
  WEFT_TRY(params.min_p, number(object, "min_p", 0, 1, 0));
  WEFT_TRY(params.top_k, whole(object, "top_k", 0, kTopKMax, 0));
  WEFT_TRY(params.repetition_penalty,
           number(object, "repetition_penalty", 0.01, kPenaltyMax, 1));
  WEFT_TRY(params.seed, seed_of(object, fresh_seed));
  return params;
}

// What both kinds of request share.
Result<OpenAiRequest> parse_common(const Json& object, uint64_t fresh_seed) {
  OpenAiRequest request;
  WEFT_TRY(request.completion.model, text(object, "model"));
  WEFT_TRY(request.completion.max_tokens, max_tokens(object));
  WEFT_TRY(request.completion.sampling, sampling(object, fresh_seed));
  WEFT_TRY(request.completion.stop, stop_texts(object));
  WEFT_TRY(request.stream, flag(object, "stream"));
  if (const Json* options = field(object, "stream_options")) {
    if (!options->is_object()) return invalid("stream_options", "must be an object");
    WEFT_TRY(request.include_usage, flag(*options, "include_usage"));
  }
  if (const Json* count = field(object, "n"); count && *count != 1) {
    return invalid("n", "must be 1: this server gives one answer per request; ask again for more");
  }
  return request;
}

// A message's text: a string, or parts of {"type": "text", "text": ...}.
Result<std::string> message_text(const Json& message, const std::string& where) {
  const Json* content = field(message, "content");
  if (!content) return invalid(where + ".content", "is missing");
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) {
    return invalid(where + ".content", "must be a string or a list of text parts");
  }
  std::string joined;
  for (const Json& part : *content) {
    const Json* type = part.is_object() ? field(part, "type") : nullptr;
    const Json* words = part.is_object() ? field(part, "text") : nullptr;
    if (!type || *type != "text" || !words || !words->is_string()) {
      return invalid(where + ".content",
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
    return invalid("messages", "must be a list of at least one message");
  }
  if (messages->size() > kChatMessagesMax) {
    return invalid("messages", cat("may hold at most ", kChatMessagesMax, " messages"));
  }
  auto checked = nlohmann::ordered_json::array();
  for (size_t i = 0; i < messages->size(); ++i) {
    const Json& message = (*messages)[i];
    const std::string where = cat("messages[", i, "]");
    if (!message.is_object()) return invalid(where, "must be an object {role, content}");
    WEFT_TRY(std::string role, text(message, "role").within(where));
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
      return invalid(where + ".role", "must be system, developer, user, assistant or tool");
    }
    // The API's newer name for the same thing; templates know the older.
    if (role == "developer") role = "system";
    WEFT_TRY(std::string content, message_text(message, where));
    checked.push_back({{"role", std::move(role)}, {"content", std::move(content)}});
  }
  return checked;
}

}  // namespace

Result<OpenAiRequest> parse_chat_request(std::string_view body, uint64_t fresh_seed) {
  WEFT_TRY(const Json object, parse_json_object(body));
  WEFT_TRY(OpenAiRequest request, parse_common(object, fresh_seed));
  request.completion.chat = true;
  WEFT_TRY(request.completion.messages, parse_messages(object));
  return request;
}

Result<OpenAiRequest> parse_completion_request(std::string_view body, uint64_t fresh_seed) {
  WEFT_TRY(const Json object, parse_json_object(body));
  WEFT_TRY(OpenAiRequest request, parse_common(object, fresh_seed));
  const Json* prompt = field(object, "prompt");
  // Some clients send one prompt as a list of one.
  if (prompt && prompt->is_array() && prompt->size() == 1) prompt = &prompt->front();
  if (!prompt || !prompt->is_string()) return invalid("prompt", "must be a string");
  request.completion.prompt = prompt->get<std::string>();
  return request;
}

}  // namespace weft::node

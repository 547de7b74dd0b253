#include "node/chat.h"

#include "base/text.h"
#include "node/http_json.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

// A stand-in is the number of the text that it stands for between two private-use characters
// (U+E000 and U+E001), so that no published template changes it.
constexpr std::string_view kOpen = "\xEE\x80\x80", kClose = "\xEE\x80\x81";

Result<> check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty() || messages.size() > kChatMessagesMax) {
    return Error(ErrorCode::kInvalid,
                 cat("'messages' must be a list of 1 to ", kChatMessagesMax, " messages"));
  }
  for (const Json& message : messages) {
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string() ||
        !message.contains("content") || !message["content"].is_string()) {
      return Error(ErrorCode::kInvalid,
                   "each message needs a 'role' and a 'content', both of them text");
    }
  }
  return {};
}

// Templates write a call's arguments as JSON: from an object, where OpenAI has its text.
void parse_arguments(Json& messages) {
  for (Json& message : messages) {
    if (!message.contains("tool_calls")) continue;
    for (Json& call : message["tool_calls"]) {
      Json& function = call["function"];
      if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
      const auto text = function["arguments"].get<std::string>();
      if (parse_json_object(text).ok()) function["arguments"] = Json::parse(text, nullptr, false);
    }
  }
}

// For templates that know no tools: as Hermes has them, in words.
Json in_words(const Json& messages, const Json& tools) {
  Json said = Json::array();
  if (tools.is_array()) {
    std::string text = "You may call these functions:\n<tools>";
    for (const Json& tool : tools) text += "\n" + json_text(tool);
    text +=
        "\n</tools>\nTo call one, answer:\n<tool_call>\n"
        "{\"name\": <name>, \"arguments\": <object>}\n</tool_call>";
    if (messages[0]["role"] == "system") {
      text = messages[0]["content"].get<std::string>() + "\n\n" + text;
    }
    said.push_back({{"role", "system"}, {"content", text}});
  }
  for (const Json& message : messages) {
    if (!said.empty() && &message == &messages[0] && message["role"] == "system") continue;
    auto content = message["content"].get<std::string>();
    if (message["role"] == "tool") {
      said.push_back(
          {{"role", "user"}, {"content", cat("<tool_response>\n", content, "\n</tool_response>")}});
      continue;
    }
    for (const Json& call : message.value("tool_calls", Json::array())) {
      const Json& function = call["function"];
      const Json as_written = {{"name", function["name"]}, {"arguments", function["arguments"]}};
      content += cat(content.empty() ? "" : "\n", "<tool_call>\n", json_text(as_written),
                     "\n</tool_call>");
    }
    said.push_back({{"role", message["role"]}, {"content", content}});
  }
  return said;
}

}  // namespace

Result<ChatFormatter> ChatFormatter::from_gguf(const model::GgufFile& file,
                                               const model::Tokenizer& tokenizer) {
  ChatFormatter formatter(tokenizer);
  if (tokenizer.bos()) formatter.bos_text_ = tokenizer.piece(*tokenizer.bos(), true);
  if (tokenizer.eos()) formatter.eos_text_ = tokenizer.piece(*tokenizer.eos(), true);
  if (!file.has("tokenizer.chat_template")) return formatter;
  WEFT_TRY(const std::string_view source, file.text("tokenizer.chat_template"));
  WEFT_TRY(formatter.template_, model::ChatTemplate::parse(source));
  formatter.form_ = call_form(source);
  formatter.knows_tools_ = source.find("tools") != std::string_view::npos;
  formatter.knows_thoughts_ = source.find("<think>") != std::string_view::npos;
  return formatter;
}

Result<std::string> ChatFormatter::render(const Json& messages, const Json& tools,
                                          int64_t now_unix) const {
  if (!template_) {
    std::string text;
    for (const Json& message : messages) {
      text += cat(message["role"].get<std::string>(), ": ", message["content"].get<std::string>(),
                  "\n");
    }
    return text + "assistant:";
  }
  Json variables = {{"messages", messages},
                    {"add_generation_prompt", true},
                    {"bos_token", bos_text_},
                    {"eos_token", eos_text_}};
  if (tools.is_array()) variables["tools"] = tools;
  return template_->render(variables, now_unix);
}

std::vector<std::string> ChatFormatter::specials_of(const std::string& text) const {
  std::vector<std::string> all;
  for (size_t at = 0; at < text.size();) {
    const auto [begin, bytes] = tokenizer_->find_special(text, at);
    if (bytes > 0) all.push_back(text.substr(begin, bytes));
    at = begin + bytes;
  }
  return all;
}

std::string ChatFormatter::mask_text(const std::string& text,
                                     std::vector<std::string>& masked) const {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    auto [begin, bytes] = tokenizer_->find_special(text, at);
    // What would itself be read as a stand-in is masked too.
    const size_t own = std::min(text.find(kOpen, at), text.find(kClose, at));
    if (own < begin) {
      begin = own;
      bytes = kOpen.size();
    }
    out.append(text, at, begin - at);
    if (bytes == 0) break;
    out += cat(kOpen, masked.size(), kClose);
    masked.push_back(text.substr(begin, bytes));
    at = begin + bytes;
  }
  return out;
}

void ChatFormatter::mask(Json& value, std::vector<std::string>& masked) const {
  if (value.is_string()) {
    value = mask_text(value.get_ref<const std::string&>(), masked);
  } else if (value.is_array()) {
    for (Json& item : value) mask(item, masked);
  } else if (value.is_object()) {
    Json copy = Json::object();
    for (auto entry = value.begin(); entry != value.end(); ++entry) {
      mask(entry.value(), masked);
      copy[mask_text(entry.key(), masked)] = std::move(entry.value());
    }
    value = std::move(copy);
  }
}

Result<std::vector<TokenId>> ChatFormatter::tokens_of(
    std::string_view text, const std::vector<std::string>& masked) const {
  std::vector<TokenId> tokens;
  const auto add = [&](std::string_view piece, bool parse_special) {
    if (piece.empty()) return;
    const auto encoded = tokenizer_->encode(piece, {false, parse_special});
    tokens.insert(tokens.end(), encoded.begin(), encoded.end());
  };
  size_t at = 0;
  for (size_t open = text.find(kOpen); open != std::string::npos; open = text.find(kOpen, at)) {
    const size_t close = text.find(kClose, open);
    const auto index = close == std::string::npos
                           ? Result<uint64_t>(Error(ErrorCode::kInvalid, ""))
                           : parse_u64(text.substr(open + kOpen.size(), close - open - 3));
    if (!index.ok() || *index >= masked.size()) {
      return Error(ErrorCode::kInvalid, "the model's chat template cuts a message's text apart");
    }
    add(text.substr(at, open - at), true);
    add(masked[*index], false);
    at = close + kClose.size();
  }
  add(text.substr(at), true);
  return tokens;
}

Result<ChatPrompt> ChatFormatter::prompt(const Json& messages, const Json& tools,
                                         int64_t now_unix) const {
  WEFT_CHECK(check_messages(messages));
  Json said = messages;
  parse_arguments(said);
  const bool words = !knows_tools_;
  if (words) said = in_words(said, tools);
  Json offered = words ? Json() : tools;
  // The template sees stand-ins for what looks like a control token; what people wrote is put in
  // afterwards, as plain text.
  std::vector<std::string> masked;
  Json hidden = said;
  mask(hidden, masked);
  mask(offered, masked);
  WEFT_TRY(std::string text, render(hidden, offered, now_unix));
  // A template may also put a control token together of what it leaves of a text. With stand-ins
  // for whole texts it cannot; if that makes a difference, they are what it gets.
  std::vector<std::string> whole;
  Json blind = said;
  for (Json& message : blind) {
    whole.push_back(message["content"].get<std::string>());
    message["content"] = "";
  }
  mask(blind, masked);
  for (size_t i = 0; i < blind.size(); ++i) {
    blind[i]["content"] = cat(kOpen, masked.size() + i, kClose);
  }
  masked.insert(masked.end(), whole.begin(), whole.end());
  const auto safe = render(blind, offered, now_unix);
  if (safe.ok() && specials_of(*safe) != specials_of(text)) text = *safe;
  ChatPrompt prompt;
  WEFT_TRY(prompt.tokens, tokens_of(text, masked));
  if (trim(text).ends_with("<think>")) {
    prompt.thoughts = Thoughts::kHaveBegun;
  } else if (knows_thoughts_ && !trim(text).ends_with("</think>")) {
    prompt.thoughts = Thoughts::kMayCome;
  }
  // The model's own start token, unless the template wrote it.
  const auto bos = tokenizer_->bos();
  const bool wants_bos = !tokenizer_->encode("", {true, false}).empty();
  if (bos && wants_bos && (prompt.tokens.empty() || prompt.tokens[0] != *bos)) {
    prompt.tokens.insert(prompt.tokens.begin(), *bos);
  }
  return prompt;
}

Result<std::vector<TokenId>> ChatFormatter::encode(const Json& messages, int64_t now_unix) const {
  WEFT_TRY(ChatPrompt made, prompt(messages, Json(), now_unix));
  return std::move(made.tokens);
}

}  // namespace weft::node

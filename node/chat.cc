#include "node/chat.h"

#include "base/text.h"

namespace weft::node {
namespace {

// A stand-in for the content of message `index` while the template runs: private-use characters
// (U+E000 and on) around the number, so that no published template changes it.
std::string placeholder(size_t index) { return cat("\xEE\x80\x80", index, "\xEE\x80\x81"); }

Result<> check_messages(const nlohmann::ordered_json& messages) {
  if (!messages.is_array() || messages.empty() || messages.size() > kChatMessagesMax) {
    return Error(ErrorCode::kInvalid, cat("'messages' must be a list of 1 to ", kChatMessagesMax,
                                          " messages"));
  }
  for (const auto& message : messages) {
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string() ||
        !message.contains("content") || !message["content"].is_string()) {
      return Error(ErrorCode::kInvalid,
                   "each message needs a 'role' and a 'content', both of them text");
    }
  }
  return {};
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
  return formatter;
}

Result<std::string> ChatFormatter::render(const nlohmann::ordered_json& messages,
                                          int64_t now_unix) const {
  if (!template_) {
    std::string text;
    for (const auto& message : messages) {
      text += cat(message["role"].get<std::string>(), ": ", message["content"].get<std::string>(),
                  "\n");
    }
    return text + "assistant:";
  }
  const nlohmann::ordered_json variables = {{"messages", messages},
                                            {"add_generation_prompt", true},
                                            {"bos_token", bos_text_},
                                            {"eos_token", eos_text_}};
  return template_->render(variables, now_unix);
}

Result<std::vector<TokenId>> ChatFormatter::encode(const nlohmann::ordered_json& messages,
                                                   int64_t now_unix) const {
  WEFT_CHECK(check_messages(messages));
  // The template sees placeholders; what people wrote is put in afterwards, token by token.
  nlohmann::ordered_json masked = messages;
  for (size_t i = 0; i < masked.size(); ++i) masked[i]["content"] = placeholder(i);
  WEFT_TRY(std::string text, render(masked, now_unix));

  std::vector<TokenId> tokens;
  const auto add = [&](std::string_view piece, bool parse_special) {
    if (piece.empty()) return;
    const auto encoded = tokenizer_->encode(piece, {false, parse_special});
    tokens.insert(tokens.end(), encoded.begin(), encoded.end());
  };
  size_t at = 0;
  for (size_t open = text.find("\xEE\x80\x80"); open != std::string::npos;
       open = text.find("\xEE\x80\x80", at)) {
    const size_t close = text.find("\xEE\x80\x81", open);
    const auto index = close == std::string::npos
                           ? Result<uint64_t>(Error(ErrorCode::kInvalid, ""))
                           : parse_u64(std::string_view(text).substr(open + 3, close - open - 3));
    if (!index.ok() || *index >= messages.size()) {
      return Error(ErrorCode::kInvalid, "the model's chat template cuts a message's text apart");
    }
    add(std::string_view(text).substr(at, open - at), true);
    add(messages[*index]["content"].get_ref<const std::string&>(), false);
    at = close + 3;
  }
  add(std::string_view(text).substr(at), true);
  // The model's own start token, unless the template wrote it.
  const auto bos = tokenizer_->bos();
  const bool wants_bos = !tokenizer_->encode("", {true, false}).empty();
  if (bos && wants_bos && (tokens.empty() || tokens[0] != *bos))
    tokens.insert(tokens.begin(), *bos);
  return tokens;
}

}  // namespace weft::node

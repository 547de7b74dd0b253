// Chat messages to tokens, by the model's own template. Text that a user wrote never becomes a
// control token, whatever it looks like.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/chat_template.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "node/tool_calls.h"

namespace weft::node {

inline constexpr size_t kChatMessagesMax = 1024;

// What is asked of the model.
struct ChatPrompt {
  std::vector<TokenId> tokens;
  Thoughts thoughts = Thoughts::kNone;  // how the answer may begin
};

class ChatFormatter {
 public:
  // Takes the file's `tokenizer.chat_template`; a file without one gets plain "role: text" lines.
  // The tokenizer must outlive the formatter. kInvalid: the template does not parse.
  static Result<ChatFormatter> from_gguf(const model::GgufFile& file,
                                         const model::Tokenizer& tokenizer);

  bool has_template() const { return template_.has_value(); }
  // The form in which the model calls tools.
  CallForm form() const { return form_; }

  // messages: [{"role": text, "content": text}, ...], asked to go on as the assistant. Of an
  // assistant's message also "tool_calls", of a tool's "tool_call_id", as OpenAI has them.
  //   tools     OpenAI's list, or null; a template that knows none gets them as a system message
  //   now_unix  for templates that show the date
  // kInvalid for messages of another form, and with the template's own words where it refuses.
  Result<ChatPrompt> prompt(const nlohmann::ordered_json& messages,
                            const nlohmann::ordered_json& tools, int64_t now_unix) const;
  // The tokens alone, without tools.
  Result<std::vector<TokenId>> encode(const nlohmann::ordered_json& messages,
                                      int64_t now_unix) const;

 private:
  using Json = nlohmann::ordered_json;

  explicit ChatFormatter(const model::Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  Result<std::string> render(const Json& messages, const Json& tools, int64_t now_unix) const;
  // Puts stand-ins for what looks like a control token in every text; the texts go to `masked`.
  void mask(Json& value, std::vector<std::string>& masked) const;
  std::vector<std::string> specials_of(const std::string& text) const;
  std::string mask_text(const std::string& text, std::vector<std::string>& masked) const;
  Result<std::vector<TokenId>> tokens_of(std::string_view text,
                                         const std::vector<std::string>& masked) const;

  const model::Tokenizer* tokenizer_;
  std::optional<model::ChatTemplate> template_;
  std::string bos_text_, eos_text_;
  CallForm form_ = CallForm::kHermes;
  bool knows_tools_ = false;     // the template names them
  bool knows_thoughts_ = false;  // likewise <think>
};

}  // namespace weft::node

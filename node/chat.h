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

namespace weft::node {

inline constexpr size_t kChatMessagesMax = 1024;

class ChatFormatter {
 public:
  // Takes the file's `tokenizer.chat_template`; a file without one gets plain "role: text" lines.
  // The tokenizer must outlive the formatter. kInvalid: the template does not parse.
  static Result<ChatFormatter> from_gguf(const model::GgufFile& file,
                                         const model::Tokenizer& tokenizer);

  bool has_template() const { return template_.has_value(); }

  // messages: [{"role": text, "content": text}, ...], asked to go on as the assistant.
  //   now_unix  for templates that show the date
  // kInvalid for messages of another form, and with the template's own words where it refuses.
  Result<std::vector<TokenId>> encode(const nlohmann::ordered_json& messages,
                                      int64_t now_unix) const;

 private:
  explicit ChatFormatter(const model::Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}
  Result<std::string> render(const nlohmann::ordered_json& messages, int64_t now_unix) const;

  const model::Tokenizer* tokenizer_;
  std::optional<model::ChatTemplate> template_;
  std::string bos_text_, eos_text_;
};

}  // namespace weft::node

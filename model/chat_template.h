// Chat templates: the Jinja template of the file, run by a bounded interpreter of the subset that
// published templates use.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace weft::model {

// A template is hostile until run: each limit ends it with kExhausted.
struct TemplateLimits {
  // Statements, expressions and iterations, and one for every 64 bytes of text or 8 items handled.
  uint64_t steps = 2'000'000;
  uint32_t depth = 64;  // of macros that call one another, and of lists and dicts in one another
  uint64_t output_bytes = 8 * 1024 * 1024;  // captured text (macros, block sets) included
  uint64_t value_bytes = 32 * 1024 * 1024;  // of all values that live at once, the input included
};

class ChatTemplate {
 public:
  // kInvalid with the line for a syntax error or a construct outside the subset.
  static Result<ChatTemplate> parse(std::string_view source);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Renders with `variables`, an object (messages, tools, add_generation_prompt, bos_token, ...).
  //   now_unix  the local time strftime_now formats, as seconds since 1970 (no time zone applied)
  // The template's own raise_exception is kInvalid with its text alone as the message.
  // Thread-safe.
  Result<std::string> render(const nlohmann::ordered_json& variables, int64_t now_unix,
                             const TemplateLimits& limits = {}) const;

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace weft::model

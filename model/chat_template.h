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
  uint64_t steps = 2'000'000;             // statements, iterations, calls and operators
  uint32_t depth = 64;                    // nested calls and expressions
  uint64_t output_bytes = 8 * 1024 * 1024;
  uint64_t value_bytes = 32 * 1024 * 1024;  // strings and lists made on the way
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

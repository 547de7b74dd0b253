// `weft template`: renders a chat template on a JSON object of its variables.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::node {

struct TemplateOptions {
  std::string source;  // a .jinja file, or a GGUF whose own template is taken
  std::string input;   // JSON file, "-": standard input
  std::string now;     // "2026-11-21T09:30:00"; empty: the local time
};

// The text, byte for byte. The template's own exception is kInvalid with its text.
Result<std::string> render_template(const TemplateOptions& options);

// Seconds since 1970 of "YYYY-MM-DDTHH:MM:SS", no time zone applied. kInvalid.
Result<int64_t> parse_date_time(std::string_view text);

}  // namespace weft::node

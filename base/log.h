// Logs: a constant event, then key=value. On stderr, one line each.
//   log_info("stage.loaded", {{"epoch", 3}, {"layers", "0-7"}});
// error = a person must act; warn = healed; info = life cycle; debug = per token.
// Never prompts, keys or activations. Any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/text.h"

namespace weft {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

struct LogField {
  std::string_view key;
  std::string value;
  template <typename T>
  LogField(std::string_view k, const T& v) : key(k), value(cat(v)) {}
};

void set_log_level(LogLevel level);
// "debug", "info", "warn", "error" or "off".
Result<LogLevel> parse_log_level(std::string_view name);

void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);

inline void log_debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kDebug, event, fields);
}
inline void log_info(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kInfo, event, fields);
}
inline void log_warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kWarn, event, fields);
}
inline void log_error(std::string_view event, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kError, event, fields);
}

}  // namespace weft

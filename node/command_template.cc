#include "node/command_template.h"

#include <ctime>
#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "model/chat_template.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "node/command_tokenize.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kTemplateBytesMax = 4 << 20;

int64_t local_now() {
  const time_t now = ::time(nullptr);
  tm parts = {};
  ::localtime_r(&now, &parts);
  return int64_t(::timegm(&parts));
}

bool is_gguf(const std::string& path) {
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof magic);
  return std::string_view(magic, sizeof magic) == "GGUF";
}

// The file's own template; its start and end tokens become variables where the input has none.
Result<std::string> template_of(const std::string& path, Json& variables) {
  WEFT_TRY(const model::GgufFile file, model::GgufFile::open(path));
  if (!file.has("tokenizer.chat_template")) {
    return Error(ErrorCode::kNotFound, cat(path, " brings no chat template"));
  }
  WEFT_TRY(const std::string_view source, file.text("tokenizer.chat_template"));
  WEFT_TRY(const model::Tokenizer tokenizer, model::Tokenizer::from_gguf(file).within(path));
  const auto put = [&](const char* name, std::optional<TokenId> token) {
    if (token && !variables.contains(name)) variables[name] = tokenizer.piece(*token, true);
  };
  put("bos_token", tokenizer.bos());
  put("eos_token", tokenizer.eos());
  return std::string(source);
}

}  // namespace

Result<int64_t> parse_date_time(std::string_view text) {
  const Error wrong(ErrorCode::kInvalid,
                    cat("'", printable(text, 40), "' is no time; give it as 2026-11-21T09:30:00"));
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
  if (text.size() != kForm.size()) return wrong;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) return wrong;
  }
  const auto number = [&](size_t at, size_t size) {
    return int(*parse_u64(text.substr(at, size)));
  };
  tm parts = {};
  parts.tm_year = number(0, 4) - 1900;
  parts.tm_mon = number(5, 2) - 1;
  parts.tm_mday = number(8, 2);
  parts.tm_hour = number(11, 2);
  parts.tm_min = number(14, 2);
  parts.tm_sec = number(17, 2);
  tm normal = parts;
  const time_t seconds = ::timegm(&normal);
  // timegm carries what is out of range into the next place: the 31st of April is no day.
  const bool same = normal.tm_mon == parts.tm_mon && normal.tm_mday == parts.tm_mday &&
                    normal.tm_hour == parts.tm_hour && normal.tm_min == parts.tm_min &&
                    normal.tm_sec == parts.tm_sec;
  if (!same) return wrong;
  return int64_t(seconds);
}

Result<std::string> render_template(const TemplateOptions& options) {
  int64_t now = local_now();
  if (!options.now.empty()) {
    WEFT_TRY(now, parse_date_time(options.now));
  }
  WEFT_TRY(const std::string input, read_input(options.input));
  Json variables = Json::parse(input, nullptr, false);
  if (!variables.is_object()) {
    return Error(ErrorCode::kInvalid, cat(options.input,
                                          ": the input must be one JSON object of the "
                                          "template's variables"));
  }
  std::string source;
  if (is_gguf(options.source)) {
    WEFT_TRY(source, template_of(options.source, variables));
  } else {
    WEFT_TRY(const Bytes content, read_file(options.source, kTemplateBytesMax));
    source = as_text(content);
  }
  WEFT_TRY(const auto parsed, model::ChatTemplate::parse(source).within(options.source));
  return parsed.render(variables, now);
}

}  // namespace weft::node

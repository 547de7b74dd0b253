#include "node/command_tokenize.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/text.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace weft::node {
namespace {

Result<std::string> read_standard_input() {
  std::string text;
  char bytes[65536];
  while (true) {
    const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) return Error(ErrorCode::kCancelled, "interrupted");
    if (got < 0) return system_error("read", "standard input", errno);
    if (got == 0) return text;
    text.append(bytes, size_t(got));
    if (text.size() > kTextBytesMax) {
      return Error(ErrorCode::kExhausted,
                   cat("standard input has more than ", format_bytes(kTextBytesMax)));
    }
  }
}

}  // namespace

Result<std::string> read_input(const std::string& path) {
  if (path.empty() || path == "-") return read_standard_input();
  WEFT_TRY(const Bytes content, read_file(path, kTextBytesMax));
  return std::string(as_text(content));
}

Result<std::vector<TokenId>> parse_token_ids(std::string_view text) {
  constexpr std::string_view kBetween = ", \t\r\n[]";
  std::vector<TokenId> tokens;
  for (size_t at = text.find_first_not_of(kBetween); at != std::string_view::npos;
       at = text.find_first_not_of(kBetween, at)) {
    const size_t end = text.find_first_of(kBetween, at);
    const std::string_view word = text.substr(at, end - at);
    const auto number = parse_u64(word);
    if (!number.ok() || *number > INT32_MAX) {
      return Error(ErrorCode::kInvalid,
                   cat("'", printable(word, 40), "' is no token id; give whole numbers: 1,2,3"));
    }
    tokens.push_back(TokenId(*number));
    if (end == std::string_view::npos) break;
    at = end;
  }
  return tokens;
}

Result<std::vector<TokenId>> read_token_ids(const std::string& text) {
  if (!text.starts_with('@')) return parse_token_ids(text);
  const std::string path = text.substr(1);
  WEFT_TRY(const std::string content, read_input(path));
  return parse_token_ids(content).within(path);
}

std::string token_list(const std::vector<TokenId>& tokens) {
  std::string text = "[";
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(tokens[i]);
  }
  return text + "]";
}

Result<> tokenize_text(const TokenizeOptions& options) {
  WEFT_TRY(const model::GgufFile file, model::GgufFile::open(options.model_path));
  WEFT_TRY(const model::Tokenizer tokenizer,
           model::Tokenizer::from_gguf(file).within(options.model_path));
  std::string text = options.text.value_or("");
  if (!options.text) {
    WEFT_TRY(text, read_input(options.file));
  }
  const auto tokens = tokenizer.encode(text, {!options.no_bos, options.parse_special});
  std::printf("%s\n", token_list(tokens).c_str());
  return {};
}

Result<> detokenize_ids(const DetokenizeOptions& options) {
  WEFT_TRY(const model::GgufFile file, model::GgufFile::open(options.model_path));
  WEFT_TRY(const model::Tokenizer tokenizer,
           model::Tokenizer::from_gguf(file).within(options.model_path));
  std::string ids = options.ids;
  if (ids.empty()) {
    WEFT_TRY(ids, read_input(options.file));
  }
  WEFT_TRY(const std::vector<TokenId> tokens, parse_token_ids(ids));
  for (const TokenId token : tokens) {
    if (uint32_t(token) >= tokenizer.vocab_size()) {
      return Error(ErrorCode::kInvalid, cat("token ", token, " is not in the vocabulary of ",
                                            tokenizer.vocab_size(), " tokens"));
    }
  }
  const std::string text = tokenizer.decode(tokens, options.with_special);
  if (options.json) {
    const nlohmann::ordered_json json = {{"text", text}};
    std::printf(
        "%s\n",
        json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else {
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (::isatty(STDOUT_FILENO)) std::fputc('\n', stdout);
  }
  return {};
}

}  // namespace weft::node

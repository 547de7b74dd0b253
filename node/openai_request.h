// What OpenAI's clients send, read into a CompletionRequest. Every number has a range, every text a
// type; unknown fields are ignored, as that API does.
// Source: OpenAI API reference, "Chat" and "Completions (legacy)".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/service.h"

namespace weft::node {

inline constexpr uint32_t kMaxTokensMost = 1u << 24;

inline constexpr uint32_t kChoicesMax = 8;

struct OpenAiRequest {
  CompletionRequest completion;
  uint32_t choices = 1;  // n; each is a stream of its own
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
};

// POST /v1/chat/completions.
//   fresh_seed  used where the client gives no seed
// kInvalid says which field is wrong and what it may be. Any thread.
Result<OpenAiRequest> parse_chat_request(std::string_view body, uint64_t fresh_seed);

// POST /v1/completions; likewise.
Result<OpenAiRequest> parse_completion_request(std::string_view body, uint64_t fresh_seed);

// POST /tokenize and /detokenize: {"content", "add_special", "parse_special", "model"} and
// {"tokens", "model"}, as llama.cpp's server has them.
struct TokenizeRequest {
  std::string model, content;
  bool add_special = false, parse_special = false;
};
struct DetokenizeRequest {
  std::string model;
  std::vector<TokenId> tokens;
};
Result<TokenizeRequest> parse_tokenize_request(std::string_view body);
Result<DetokenizeRequest> parse_detokenize_request(std::string_view body);

}  // namespace weft::node

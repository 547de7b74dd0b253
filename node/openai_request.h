// What OpenAI's clients send, read into a CompletionRequest. Every number has a range, every text a
// type; unknown fields are ignored, as that API does.
// Source: OpenAI API reference, "Chat" and "Completions (legacy)".
#pragma once

#include <string_view>

#include "base/result.h"
#include "node/service.h"

namespace weft::node {

inline constexpr uint32_t kMaxTokensMost = 1u << 24;

struct OpenAiRequest {
  CompletionRequest completion;
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage
};

// POST /v1/chat/completions.
//   fresh_seed  used where the client gives no seed
// kInvalid says which field is wrong and what it may be. Any thread.
Result<OpenAiRequest> parse_chat_request(std::string_view body, uint64_t fresh_seed);

// POST /v1/completions; likewise.
Result<OpenAiRequest> parse_completion_request(std::string_view body, uint64_t fresh_seed);

}  // namespace weft::node

// What OpenAI's clients expect back: answers, chunks of a stream and errors, as JSON texts.
// Source: OpenAI API reference, "Chat", "Completions (legacy)", "Models", "Errors".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/service.h"

namespace weft::node {

// An error as HTTP has it.
struct ApiError {
  int status = 500;
  std::string message;
  std::string type;  // "invalid_request_error"
  std::string code;  // "not_found"
};
// 400 invalid, 403 denied, 404 not found, 409 conflict, 429 exhausted, 503 unavailable or stale,
// 504 timeout, 501 unsupported, 500 the rest.
ApiError api_error(const Error& error);
// {"error": {"message", "type", "param", "code"}}.
std::string error_json(const ApiError& error);

// What every part of one answer repeats.
struct AnswerHead {
  bool chat = false;
  std::string id;  // "chatcmpl-..." or "cmpl-..."
  int64_t created = 0;  // Unix seconds
  std::string model;
};

// One choice of a whole answer: its events, put together.
struct Choice {
  std::string text, reasoning;
  std::vector<ToolCallDelta> calls;
  std::vector<DrawnReport> tokens;
  Finish finish;
};
// A whole answer. Usage: the prompt once, the answers' tokens of all choices.
std::string answer_json(const AnswerHead& head, const std::vector<Choice>& choices,
                        bool with_logprobs);
mesh::Usage total_usage(const std::vector<mesh::Usage>& choices);

// The chunks of a stream, each the JSON of one event. With `usage_follows`, each but the last says
// `"usage": null`, as clients that asked for usage expect.
struct ChunkMaker {
  AnswerHead head;
  bool usage_follows = false;

  std::string role(size_t choice) const;  // chat only: opens the assistant's message
  std::string delta(size_t choice, const TextDelta& delta) const;
  std::string reasoning(size_t choice, std::string_view text) const;
  // Two chunks, as that API has them: who is called, and with what.
  std::vector<std::string> call(size_t choice, const ToolCallDelta& call) const;
  std::string finish(size_t choice, std::string_view reason) const;
  std::string usage(const mesh::Usage& usage) const;
};

// GET /v1/models and one of them.
std::string models_json(const std::vector<ServedModel>& models, int64_t created);
std::string model_json(const ServedModel& model, int64_t created);

}  // namespace weft::node

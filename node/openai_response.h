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

// A whole answer.
std::string answer_json(const AnswerHead& head, std::string_view text, const Finish& finish);

// The chunks of a stream, each the JSON of one event. With `usage_follows`, each but the last says
// `"usage": null`, as clients that asked for usage expect.
struct ChunkMaker {
  AnswerHead head;
  bool usage_follows = false;

  std::string role() const;  // chat only: opens the assistant's message
  std::string delta(std::string_view text) const;
  std::string finish(std::string_view reason) const;
  std::string usage(const mesh::Usage& usage) const;
};

// GET /v1/models and one of them.
std::string models_json(const std::vector<ServedModel>& models, int64_t created);
std::string model_json(const ServedModel& model, int64_t created);

}  // namespace weft::node

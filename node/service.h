// Service: what the HTTP API, the page and the terminal ask of a running node.
// Implemented by node/mesh_service (this node's mesh); HTTP tests bring their own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "base/sampling.h"
#include "mesh/effects.h"
#include "mesh/view.h"
#include "node/adapters.h"
#include "transport/message.h"

namespace weft::node {

// Whether the model may call tools, and must.
enum class ToolChoice { kAuto, kNone, kRequired };

// A completion as a client asks for it.
struct CompletionRequest {
  std::string model;                   // a served model's name; empty: the one that is served
  bool chat = false;
  nlohmann::ordered_json messages;     // chat: as ChatFormatter takes them, checked by the parser
  nlohmann::ordered_json tools;        // chat: OpenAI's list, checked; or null
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string only_tool;               // with kRequired: this one; empty: any
  bool several_calls = true;           // with kRequired: as many as the model likes
  std::string grammar;                 // that the answer follows (model/grammar.h); empty: none
  bool grammar_is_ours = false;        // made of a JSON schema: thoughts may come before
  std::string prompt;                  // otherwise
  uint32_t max_tokens = 0;             // 0: to the context's end
  SamplingParams sampling;
  std::vector<std::string> stop;       // texts that end the answer and are not given out
};

// A token's bytes, perhaps a part of a character, and its logarithmic probability.
struct TokenReport {
  std::string bytes;
  float logprob = 0;
};
struct DrawnReport {
  TokenReport token;
  std::vector<TokenReport> top;
};
struct TextDelta {
  std::string text;  // whole characters
  std::vector<DrawnReport> tokens = {};  // if asked for: of the tokens that have come
};
struct ReasoningDelta {
  std::string text;  // what the model thinks before it answers
};
struct ToolCallDelta {
  uint32_t index = 0;
  std::string id, name;
  std::string arguments;  // a JSON object's text
};
struct Finish {
  std::string reason;  // "stop", "length" or "tool_calls"
  mesh::Usage usage;
};
// What a stream yields, in order: deltas, then one Finish or one Error.
using StreamEvent = std::variant<TextDelta, ReasoningDelta, ToolCallDelta, Finish, Error>;

// One answer on its way. Used by one thread at a time; destroying it cancels what still runs and
// frees every stage.
class CompletionStream {
 public:
  virtual ~CompletionStream() = default;
  // The next event; nothing if none came within `timeout`. Nothing more comes after the last.
  virtual std::optional<StreamEvent> next(Duration timeout) = 0;
};

// Embeddings as a client asks for them: a vector for each input, a text or its token ids.
using EmbeddingInput = std::variant<std::string, std::vector<TokenId>>;
struct EmbeddingRequest {
  std::string model;                          // as in CompletionRequest
  std::vector<EmbeddingInput> inputs;
  std::optional<transport::Pooling> pooling;  // nothing: as the model's file says, or the mean
  uint32_t dimensions = 0;                    // the first so many; 0: all
};
struct Embedding {
  std::vector<float> values;  // of length 1
  uint32_t tokens = 0;        // of the input
};
// The vectors on their way. Used by one thread at a time; destroying it cancels what still runs.
class EmbeddingStream {
 public:
  virtual ~EmbeddingStream() = default;
  // The next input's vector, in their order; nothing if it did not come within `timeout`. Nothing
  // more comes after the last, or after an error.
  virtual std::optional<Result<Embedding>> next(Duration timeout) = 0;
};

struct ServedModel {
  std::string name;
  bool active = false;      // the plan serves it now
  uint64_t file_bytes = 0;
  uint32_t context_length = 0;  // 0 if not known yet
};

struct Health {
  bool ok = false;
  std::string problem;  // why not
  std::string alarm = {};  // why joins have stopped; such a node may answer all the same
};

// Counters of this node since its start, for /metrics.
struct NodeCounters {
  uint64_t requests = 0;
  uint64_t requests_failed = 0;
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t frames_in = 0, frames_out = 0, bytes_in = 0, bytes_out = 0;
  uint64_t refused_handshakes = 0, dropped_frames = 0;
};

class Service {
 public:
  virtual ~Service() = default;
  // All calls: any thread, none waits for the network.

  // Errors: kNotFound (no such model), kInvalid (the prompt is over the context: says both numbers;
  // a bad parameter), kExhausted (the queue is full), kUnavailable (no plan can serve: says why).
  virtual Result<std::unique_ptr<CompletionStream>> start(CompletionRequest request) = 0;
  // Errors as start(); kInvalid also for more dimensions than the model has.
  virtual Result<std::unique_ptr<EmbeddingStream>> embed(EmbeddingRequest request) = 0;
  virtual std::vector<ServedModel> models() = 0;
  // A text's tokens and back, by the vocabulary of the model that is served (or the one that is
  // named, if it is that one). Errors as start().
  virtual Result<std::vector<TokenId>> tokenize(const std::string& model, const std::string& text,
                                                bool add_special, bool parse_special) = 0;
  virtual Result<std::string> detokenize(const std::string& model,
                                         const std::vector<TokenId>& tokens) = 0;
  virtual Health health() = 0;
  // The mesh as this node sees it, at most a tick old.
  virtual mesh::View view() = 0;
  virtual NodeCounters counters() = 0;
  // Of this node, as its last load found them.
  virtual std::vector<AdapterState> adapters() { return {}; }
  // The plan that the mesh would make for a model of this shape, its epoch 0. kUnavailable: it fits
  // nowhere, with what is missing. Takes as long as the planner does.
  virtual Result<mesh::PlanView> preview(const transport::ModelOffer& shape) = 0;
  // Asks the mesh to serve this model from now on; a refusal is View::refusal, soon after.
  // kNotFound if nobody offers it.
  virtual Result<> want_model(const std::string& name) = 0;
};

}  // namespace weft::node

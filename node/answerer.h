// Answerer: who completes a text for `weft run`: this machine alone (local_engine) or the mesh of a
// running node (mesh_answerer).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/sampling.h"

namespace weft::node {

struct AnswerRequest {
  bool chat = false;
  nlohmann::ordered_json messages;  // chat: [{"role", "content"}, ...]
  std::string prompt;               // otherwise
  uint32_t max_tokens = 0;          // 0: to the context's end
  uint32_t room = 1;                // tokens of the context that must be left for the answer
  SamplingParams sampling;
  std::vector<std::string> stop;
};

struct Answer {
  std::string text;
  std::string finish_reason;  // "stop", "length" or "interrupted"
  uint32_t prompt_tokens = 0;
  uint32_t computed_tokens = 0;  // of the prompt; the rest was still in the cache
  uint32_t completion_tokens = 0;
  double prefill_s = 0;  // to the first token
  double decode_s = 0;   // from there to the last
  double prefill_tps() const { return prefill_s > 0 ? computed_tokens / prefill_s : 0; }
  double decode_tps() const {
    return decode_s > 0 && completion_tokens > 1 ? (completion_tokens - 1) / decode_s : 0;
  }
};

class Answerer {
 public:
  virtual ~Answerer() = default;
  // False if the model brings no chat template, as far as is known here.
  virtual bool has_template() const = 0;
  // Waits for the end; on_text gets whole characters as they come. Ctrl-C ends the answer with what
  // there is ("interrupted"). kInvalid: a prompt over the context (says both numbers), parameters
  // out of range.
  virtual Result<Answer> answer(const AnswerRequest& request,
                                const std::function<void(std::string_view)>& on_text) = 0;
};

}  // namespace weft::node

// LocalEngine: a whole model on this machine alone, for `weft run` without a mesh.
//
// Tokens are drawn as in node/slice_compute, by (logits, parameters, history, position), so greedy
// and seeded text is the mesh's, byte for byte.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kernels/slice.h"
#include "model/model.h"
#include "model/tokenizer.h"
#include "node/answerer.h"
#include "node/backend_choice.h"
#include "node/chat.h"
#include "node/constraints.h"

namespace weft::node {

// Of a model that could hold more; --ctx asks for another.
inline constexpr uint32_t kDefaultContextTokens = 8192;

struct EngineOptions {
  std::string path;
  BackendChoice backend;
  uint32_t context = 0;  // tokens; 0: the model's, at most kDefaultContextTokens
  std::string kv = "f16";  // type of the KV cache
  std::vector<std::string> lora = {};  // adapters, as --lora has them
};

// The context's size with these options. kInvalid: more than the model's (says both).
Result<uint32_t> context_of(const model::ModelConfig& config, uint32_t wanted);

class LocalEngine final : public Answerer {
 public:
  // Shows progress on stderr; Ctrl-C ends it with kCancelled. Errors name the file and what is
  // wrong.
  static Result<std::unique_ptr<LocalEngine>> open(const EngineOptions& options);

  const model::Model& model() const { return *model_; }
  const kernels::Backend& backend() const { return *backend_; }
  uint32_t context() const { return context_; }
  double load_s() const { return load_s_; }

  bool has_template() const override { return chat_->has_template(); }
  Result<Answer> answer(const AnswerRequest& request,
                        const std::function<void(std::string_view)>& on_text) override;

 private:
  class Writer;

  LocalEngine() = default;
  Result<std::vector<TokenId>> prompt_tokens(const AnswerRequest& request) const;
  // Computes what the cache lacks of `tokens_`: what a token is drawn from after the last row.
  // kCancelled at Ctrl-C.
  Result<kernels::SliceOutput> prefill(uint32_t cached, const SamplingParams& sampling);
  Result<> decode(const AnswerRequest& request, kernels::SliceOutput last, Writer& writer,
                  Answer& answer);
  Result<kernels::SliceOutput> forward(uint32_t first, uint32_t count,
                                       const SamplingParams& sampling);

  SystemClock clock_;
  std::unique_ptr<kernels::Backend> backend_;  // before the slice: it must outlive it
  std::optional<model::Model> model_;
  std::optional<model::Tokenizer> tokenizer_;
  std::optional<ChatFormatter> chat_;
  std::unique_ptr<kernels::Slice> slice_;
  Constraints constraints_;
  uint32_t context_ = 0;
  double load_s_ = 0;
  std::vector<TokenId> tokens_;  // the stream: prompt and answer
  uint32_t computed_ = 0;        // of them, in the KV cache
};

}  // namespace weft::node

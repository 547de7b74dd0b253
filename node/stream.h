// The way of an answer from the mesh thread to whoever reads it: tokens in a bounded queue, turned
// into text, thoughts and tool calls on the reader's thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include "base/queue.h"
#include "mesh/effects.h"
#include "model/tokenizer.h"
#include "node/answer_parser.h"
#include "node/service.h"
#include "node/text_output.h"

namespace weft::node {

// Tokens that wait for a slow reader; at its end the answer is cancelled. About 32 KiB of text.
inline constexpr size_t kStreamTokensMax = 4096;

struct StreamToken {
  StreamToken(TokenId id, std::vector<TokenLogprob> probabilities = {})
      : token(id), logprobs(std::move(probabilities)) {}
  TokenId token;
  std::vector<TokenLogprob> logprobs;
};
struct StreamEnd {
  Result<mesh::FinishReason> result;
  mesh::Usage usage;
  std::vector<float> embedding = {};  // as in mesh::SessionEnd
};
// Written by the mesh thread, read by one other.
struct TokenQueue {
  TokenQueue() : items(kStreamTokensMax + 1) {}
  BoundedQueue<std::variant<StreamToken, StreamEnd>> items;
};

class MeshStream final : public CompletionStream {
 public:
  // prompt_tokens: for the usage of an answer that a stop text ends here.
  // cancel is called once if the stream is destroyed, or a stop text is found, before its end.
  MeshStream(std::shared_ptr<const model::Tokenizer> tokenizer, std::shared_ptr<TokenQueue> queue,
             std::vector<std::string> stop, AnswerShape shape, uint32_t prompt_tokens,
             std::function<void()> cancel);
  ~MeshStream() override;

  std::optional<StreamEvent> next(Duration timeout) override;

 private:
  StreamEvent end_with(const StreamEnd& end) const;
  void take(const StreamToken& token);
  void add_parts(std::vector<AnswerPart> parts);
  void finish_parts();
  TokenReport report(const TokenLogprob& one) const;

  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::shared_ptr<TokenQueue> queue_;
  model::StreamDecoder decoder_;
  StopMatcher stop_;
  AnswerParser parser_;
  std::function<void()> cancel_;
  const uint32_t prompt_tokens_;
  uint32_t tokens_ = 0;
  uint32_t calls_ = 0;
  std::vector<DrawnReport> reports_;  // of tokens whose text has not been given out yet
  std::deque<StreamEvent> ready_;
  bool ended_ = false;
};

}  // namespace weft::node

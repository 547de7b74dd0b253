#include "node/stream.h"

#include "crypto/random.h"

namespace weft::node {
namespace {

// Nine letters and digits, as Mistral's templates want them.
std::string call_id() {
  constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string id;
  for (uint64_t left = crypto::random_u64(); id.size() < 9; left /= 36) id += kDigits[left % 36];
  return id;
}

}  // namespace

MeshStream::MeshStream(std::shared_ptr<const model::Tokenizer> tokenizer,
                       std::shared_ptr<TokenQueue> queue, std::vector<std::string> stop,
                       AnswerShape shape, uint32_t prompt_tokens, std::function<void()> cancel)
    : tokenizer_(std::move(tokenizer)),
      queue_(std::move(queue)),
      decoder_(*tokenizer_, shape.chat ? call_marks(*tokenizer_) : std::vector<TokenId>()),
      stop_(std::move(stop)),
      parser_(std::move(shape)),
      cancel_(std::move(cancel)),
      prompt_tokens_(prompt_tokens) {}

MeshStream::~MeshStream() {
  if (!ended_) cancel_();
}

StreamEvent MeshStream::end_with(const StreamEnd& end) const {
  if (!end.result.ok()) return Error(end.result.error());
  if (*end.result != mesh::FinishReason::kStop) return Finish{"length", end.usage};
  return Finish{calls_ > 0 ? "tool_calls" : "stop", end.usage};
}

TokenReport MeshStream::report(const TokenLogprob& one) const {
  return {tokenizer_->piece(one.token, true), one.logprob};
}

void MeshStream::add_parts(std::vector<AnswerPart> parts) {
  for (AnswerPart& part : parts) {
    if (auto* content = std::get_if<ContentPart>(&part)) {
      ready_.push_back(TextDelta{std::move(content->text), std::exchange(reports_, {})});
    } else if (auto* thought = std::get_if<ThoughtPart>(&part)) {
      ready_.push_back(ReasoningDelta{std::move(thought->text)});
    } else {
      auto& call = std::get<ToolCall>(part);
      ready_.push_back(
          ToolCallDelta{calls_++, call_id(), std::move(call.name), std::move(call.arguments)});
    }
  }
}

// All that was held back on the way, at the answer's end.
void MeshStream::finish_parts() {
  std::string rest = stop_.push(decoder_.finish());
  rest += stop_.finish();
  add_parts(parser_.push(rest));
  add_parts(parser_.finish());
  if (!reports_.empty()) ready_.push_back(TextDelta{"", std::exchange(reports_, {})});
}

void MeshStream::take(const StreamToken& token) {
  ++tokens_;
  if (!token.logprobs.empty()) {
    DrawnReport drawn{report(token.logprobs[0]), {}};
    for (size_t i = 1; i < token.logprobs.size(); ++i) {
      drawn.top.push_back(report(token.logprobs[i]));
    }
    reports_.push_back(std::move(drawn));
  }
  add_parts(parser_.push(stop_.push(decoder_.push(token.token))));
  if (!stop_.stopped()) return;
  ended_ = true;
  cancel_();
  finish_parts();
  mesh::Usage usage;
  usage.prompt_tokens = prompt_tokens_;
  usage.completion_tokens = tokens_;
  ready_.push_back(end_with({mesh::FinishReason::kStop, usage}));
}

std::optional<StreamEvent> MeshStream::next(Duration timeout) {
  while (ready_.empty() && !ended_) {
    auto item = queue_->items.pop(timeout);
    if (!item) {
      if (!queue_->items.closed()) return std::nullopt;
      ended_ = true;
      return Error(ErrorCode::kExhausted, "the answer was read too slowly and was cancelled");
    }
    if (const auto* end = std::get_if<StreamEnd>(&*item)) {
      ended_ = true;
      finish_parts();
      ready_.push_back(end_with(*end));
    } else {
      take(std::get<StreamToken>(*item));
    }
  }
  if (ready_.empty()) return std::nullopt;
  StreamEvent event = std::move(ready_.front());
  ready_.pop_front();
  return event;
}

}  // namespace weft::node

#include "node/stream.h"

namespace weft::node {

MeshStream::MeshStream(std::shared_ptr<const model::Tokenizer> tokenizer,
                       std::shared_ptr<TokenQueue> queue, std::vector<std::string> stop,
                       uint32_t prompt_tokens, std::function<void()> cancel)
    : tokenizer_(std::move(tokenizer)), queue_(std::move(queue)), decoder_(*tokenizer_),
      stop_(std::move(stop)), cancel_(std::move(cancel)), prompt_tokens_(prompt_tokens) {}

MeshStream::~MeshStream() {
  if (!ended_) cancel_();
}

StreamEvent MeshStream::end_with(const StreamEnd& end) {
  if (!end.result.ok()) return Error(end.result.error());
  return Finish{*end.result == mesh::FinishReason::kStop ? "stop" : "length", end.usage};
}

std::optional<StreamEvent> MeshStream::next(Duration timeout) {
  if (last_) return std::exchange(last_, std::nullopt);
  while (!ended_) {
    auto item = queue_->items.pop(timeout);
    if (!item) {
      if (!queue_->items.closed()) return std::nullopt;
      ended_ = true;
      return Error(ErrorCode::kExhausted, "the answer was read too slowly and was cancelled");
    }
    if (const auto* end = std::get_if<StreamEnd>(&*item)) {
      ended_ = true;
      std::string rest = stop_.push(decoder_.finish());
      rest += stop_.finish();
      if (rest.empty()) return end_with(*end);
      last_ = end_with(*end);
      return TextDelta{std::move(rest)};
    }
    ++tokens_;
    std::string text = stop_.push(decoder_.push(std::get<TokenId>(*item)));
    if (stop_.stopped()) {
      ended_ = true;
      cancel_();
      mesh::Usage usage;
      usage.prompt_tokens = prompt_tokens_;
      usage.completion_tokens = tokens_;
      last_ = Finish{"stop", usage};
    }
    if (!text.empty()) return TextDelta{std::move(text)};
    if (last_) return std::exchange(last_, std::nullopt);
  }
  return std::nullopt;
}

}  // namespace weft::node

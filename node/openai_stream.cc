#include "node/openai_stream.h"

#include <utility>

#include "base/text.h"

namespace weft::node {
namespace {

std::string event(std::string_view json) { return cat("data: ", json, "\n\n"); }

}  // namespace

SseStream::SseStream(std::unique_ptr<CompletionStream> source, AnswerHead head, bool include_usage)
    : source_(std::move(source)), chunks_{std::move(head), include_usage} {
  if (chunks_.head.chat) ready_ = event(chunks_.role());
}

void SseStream::fail(const Error& error) {
  if (!source_) return;
  ready_ += event(error_json(api_error(error)));
  source_.reset();
}

std::optional<std::string> SseStream::next(Duration timeout) {
  if (!ready_.empty()) return std::exchange(ready_, std::string());
  if (!source_) return std::nullopt;
  const std::optional<StreamEvent> got = source_->next(timeout);
  if (!got) return std::string();
  if (const auto* delta = std::get_if<TextDelta>(&*got)) return event(chunks_.delta(delta->text));
  if (const auto* error = std::get_if<Error>(&*got)) {
    fail(*error);
    return std::exchange(ready_, std::string());
  }
  const Finish& finish = std::get<Finish>(*got);
  std::string last = event(chunks_.finish(finish.reason));
  if (chunks_.usage_follows) last += event(chunks_.usage(finish.usage));
  source_.reset();
  return last + "data: [DONE]\n\n";
}

}  // namespace weft::node

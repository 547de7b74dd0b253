#include "node/openai_stream.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace weft::node {
namespace {

// How long one of several streams is waited for before the next is looked at.
constexpr Duration kTurn = milliseconds(5);

std::string event(std::string_view json) {
  return cat("data: ", json, "\n\n");
}

}  // namespace

std::optional<ChoiceStreams::Event> ChoiceStreams::poll(size_t choice, Duration timeout) {
  auto& stream = streams_[choice];
  auto got = stream->next(timeout);
  if (!got) return std::nullopt;
  if (std::holds_alternative<Finish>(*got)) {
    stream.reset();
    ++finished_;
  }
  return Event{choice, std::move(*got)};
}

std::optional<ChoiceStreams::Event> ChoiceStreams::next(Duration timeout) {
  const size_t live = streams_.size() - finished_;
  Duration waited{0};
  while (live > 0) {
    for (size_t i = 0; i < streams_.size(); ++i) {
      turn_ = (turn_ + 1) % streams_.size();
      if (!streams_[turn_]) continue;
      const Duration wait = live == 1 ? timeout : std::min(kTurn, timeout - waited);
      if (auto got = poll(turn_, wait)) return got;
      waited += wait;
      if (waited >= timeout) return std::nullopt;
    }
  }
  return std::nullopt;
}

SseStream::SseStream(std::vector<std::unique_ptr<CompletionStream>> choices, AnswerHead head,
                     bool include_usage)
    : source_(std::move(choices)), chunks_{std::move(head), include_usage} {
  for (size_t i = 0; chunks_.head.chat && i < source_->size(); ++i)
    ready_ += event(chunks_.role(i));
}

void SseStream::fail(const Error& error) {
  if (!source_) return;
  ready_ += event(error_json(api_error(error)));
  source_.reset();
}

std::string SseStream::events_of(const ChoiceStreams::Event& got) {
  if (const auto* delta = std::get_if<TextDelta>(&got.event)) {
    return event(chunks_.delta(got.choice, *delta));
  }
  if (const auto* thought = std::get_if<ReasoningDelta>(&got.event)) {
    return event(chunks_.reasoning(got.choice, thought->text));
  }
  if (const auto* call = std::get_if<ToolCallDelta>(&got.event)) {
    std::string events;
    for (const std::string& part : chunks_.call(got.choice, *call)) events += event(part);
    return events;
  }
  const Finish& finish = std::get<Finish>(got.event);
  usages_.push_back(finish.usage);
  return event(chunks_.finish(got.choice, finish.reason));
}

std::optional<std::string> SseStream::next(Duration timeout) {
  if (!ready_.empty()) return std::exchange(ready_, std::string());
  if (!source_) return std::nullopt;
  const auto got = source_->next(timeout);
  if (!got) return std::string();
  if (const auto* error = std::get_if<Error>(&got->event)) {
    fail(*error);
    return std::exchange(ready_, std::string());
  }
  std::string events = events_of(*got);
  if (!source_->all_finished()) return events;
  if (chunks_.usage_follows) events += event(chunks_.usage(total_usage(usages_)));
  source_.reset();
  return events + "data: [DONE]\n\n";
}

}  // namespace weft::node

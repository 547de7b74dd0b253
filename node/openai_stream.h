// An answer as server-sent events, made as they are read.
// Source: WHATWG HTML, "Server-sent events"; OpenAI API reference, "Streaming".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/openai_response.h"
#include "node/service.h"

namespace weft::node {

// A comment line: readers ignore it, and writing it finds out whether the reader is still there.
inline constexpr std::string_view kSseKeepAlive = ": keep-alive\n\n";

// The next event of any of some streams, and whose it is; nothing if none came within `timeout`.
// Ended streams are null; they take turns.
class ChoiceStreams {
 public:
  explicit ChoiceStreams(std::vector<std::unique_ptr<CompletionStream>> streams)
      : streams_(std::move(streams)) {}

  struct Event {
    size_t choice;
    StreamEvent event;
  };
  std::optional<Event> next(Duration timeout);
  // Each has had its Finish.
  bool all_finished() const { return finished_ == streams_.size(); }
  size_t size() const { return streams_.size(); }

 private:
  std::optional<Event> poll(size_t choice, Duration timeout);

  std::vector<std::unique_ptr<CompletionStream>> streams_;
  size_t turn_ = 0;
  size_t finished_ = 0;
};

// One reader's thread. Destroying it cancels what still runs.
class SseStream {
 public:
  SseStream(std::vector<std::unique_ptr<CompletionStream>> choices, AnswerHead head,
            bool include_usage);

  // The next events' bytes, an empty text if none came within `timeout`, nothing after the end. The
  // end is `data: [DONE]`, or after an error its event alone.
  std::optional<std::string> next(Duration timeout);

  // Ends the stream with this error: the next call gives its event, the one after nothing.
  void fail(const Error& error);

 private:
  std::string events_of(const ChoiceStreams::Event& event);

  std::optional<ChoiceStreams> source_;  // nothing once the end is known
  ChunkMaker chunks_;
  std::vector<mesh::Usage> usages_;
  std::string ready_;  // made, not yet given out
};

}  // namespace weft::node

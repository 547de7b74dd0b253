// An answer as server-sent events, made as they are read.
// Source: WHATWG HTML, "Server-sent events"; OpenAI API reference, "Streaming".
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "node/openai_response.h"
#include "node/service.h"

namespace weft::node {

// A comment line: readers ignore it, and writing it finds out whether the reader is still there.
inline constexpr std::string_view kSseKeepAlive = ": keep-alive\n\n";

// One reader's thread. Destroying it cancels what still runs.
class SseStream {
 public:
  SseStream(std::unique_ptr<CompletionStream> source, AnswerHead head, bool include_usage);

  // The next events' bytes, an empty text if none came within `timeout`, nothing after the end. The
  // end is `data: [DONE]`, or after an error its event alone.
  std::optional<std::string> next(Duration timeout);

  // Ends the stream with this error: the next call gives its event, the one after nothing.
  void fail(const Error& error);

 private:
  std::unique_ptr<CompletionStream> source_;  // null once the end is known
  ChunkMaker chunks_;
  std::string ready_;  // made, not yet given out
};

}  // namespace weft::node

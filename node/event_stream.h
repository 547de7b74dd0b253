// EventParser: server-sent events from the pieces of a response, as they come.
// Source: WHATWG HTML standard, "Server-sent events", 9.2.6; only `data` is of use here.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::node {

inline constexpr size_t kEventBytesMax = 1 << 20;  // of one event, and of one line

class EventParser {
 public:
  // Takes bytes, cut anywhere; on_data is called with the data of each event that they complete.
  // kExhausted for an event over kEventBytesMax; the stream is of no use then.
  Result<> push(std::string_view bytes, const std::function<void(std::string_view)>& on_data);

 private:
  Result<> take_line(std::string_view line, const std::function<void(std::string_view)>& on_data);

  std::string line_;  // not ended yet
  std::string data_;  // of the event under way
  bool has_data_ = false;
};

}  // namespace weft::node

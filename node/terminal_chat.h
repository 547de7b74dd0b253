// A chat in the terminal: lines in, answers out, until /quit or the end of the input.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "node/answerer.h"

namespace weft::node {

inline constexpr size_t kChatLineBytesMax = 256 * 1024;

struct ChatTerminal {
  // The next line; nothing at the end of the input or at Ctrl-C.
  std::function<std::optional<std::string>()> read_line;
  std::function<void(std::string_view)> write;  // the answer
  std::function<void(std::string_view)> note;   // everything else
  std::function<bool()> interrupted;
  std::function<void()> clear_interrupt;
};

// `settings` holds all but the messages. The oldest turns are dropped, with a note, once the
// context is full. Ctrl-C ends the answer under way, and the chat where there is none.
Result<> run_chat(Answerer& answerer, AnswerRequest settings, const ChatTerminal& terminal);

// Lines of standard input; a wait ends at Ctrl-C.
class InputLines {
 public:
  std::optional<std::string> next();

 private:
  std::string pending_;
  bool ended_ = false;
};

}  // namespace weft::node

#include "node/terminal_chat.h"

#include <poll.h>
#include <unistd.h>

#include "base/text.h"
#include "node/cli.h"

namespace weft::node {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kHelp =
    "Type a message. /clear forgets the talk so far, /quit ends (or Ctrl-D); Ctrl-C ends an "
    "answer.\n";

// Answers the talk in `settings`, without its oldest turns where the context is too small.
Result<Answer> answer_turn(Answerer& answerer, AnswerRequest& settings,
                           const ChatTerminal& terminal) {
  size_t dropped = 0;
  while (true) {
    auto answer = answerer.answer(settings, terminal.write);
    const bool too_long = !answer.ok() && answer.error().code == ErrorCode::kInvalid;
    if (!too_long || settings.messages.size() < 3) {
      if (answer.ok() && dropped > 0) {
        terminal.note(cat("\n[the context is full: the oldest ", dropped, " turn",
                          dropped > 1 ? "s were" : " was", " forgotten]"));
      }
      return answer;
    }
    settings.messages.erase(settings.messages.begin(), settings.messages.begin() + 2);
    ++dropped;
  }
}

}  // namespace

Result<> run_chat(Answerer& answerer, AnswerRequest settings, const ChatTerminal& terminal) {
  settings.chat = true;
  settings.messages = Json::array();
  terminal.note(kHelp);
  while (true) {
    terminal.note("\n> ");
    const auto line = terminal.read_line();
    if (!line) break;
    const std::string text(trim(*line));
    if (text.empty()) continue;
    if (text == "/quit") return {};
    if (text == "/clear") {
      settings.messages = Json::array();
      terminal.note("[forgotten]\n");
      continue;
    }
    if (text.starts_with('/')) {
      terminal.note(kHelp);
      continue;
    }
    const Json before = settings.messages;
    settings.messages.push_back({{"role", "user"}, {"content", utf8_sanitize(text)}});
    auto answer = answer_turn(answerer, settings, terminal);
    if (!answer.ok()) {
      terminal.note(cat("weft: ", answer.error().message, "\n"));
      settings.messages = before;
      continue;
    }
    terminal.write("\n");
    if (answer->finish_reason != "stop") terminal.note(cat("[", answer->finish_reason, "]\n"));
    settings.messages.push_back({{"role", "assistant"}, {"content", answer->text}});
    if (terminal.interrupted()) terminal.clear_interrupt();
  }
  terminal.note("\n");
  return {};
}

std::optional<std::string> InputLines::next() {
  while (true) {
    const size_t end = pending_.find('\n');
    if (end != std::string::npos || (ended_ && !pending_.empty())) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end == std::string::npos ? end : end + 1);
      return line;
    }
    if (ended_ || interrupted() || pending_.size() > kChatLineBytesMax) return std::nullopt;
    pollfd descriptors[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupt_descriptor(), POLLIN, 0}};
    ::poll(descriptors, 2, -1);
    if (interrupted()) return std::nullopt;
    if (descriptors[0].revents == 0) continue;
    char bytes[4096];
    const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (got > 0) pending_.append(bytes, size_t(got));
    ended_ = got <= 0;
  }
}

}  // namespace weft::node

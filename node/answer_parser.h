// AnswerParser: parts a chat's answer, as it comes, into thoughts, text and tool calls.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "node/tool_calls.h"

namespace weft::node {

inline constexpr size_t kCallBytesMax = 1024 * 1024;  // of a call; a longer one stays text

struct AnswerShape {
  bool chat = false;                 // else all is text
  bool thoughts_have_begun = false;  // the prompt ends with <think>
  std::optional<CallForm> calls;     // tools may be called, in this form
  std::vector<std::string> tools;    // their names
};

struct ContentPart {
  std::string text;
};
struct ThoughtPart {
  std::string text;
};
using AnswerPart = std::variant<ContentPart, ThoughtPart, ToolCall>;

class AnswerParser {
 public:
  explicit AnswerParser(AnswerShape shape);

  // The parts that are certain now that `text` has come; what may be the beginning of a mark is
  // held back.
  std::vector<AnswerPart> push(std::string_view text);
  // What was held back, at the end: a call that never closed is text.
  std::vector<AnswerPart> finish();

 private:
  enum class State { kStart, kThoughts, kAfterThoughts, kContent, kCall };

  void work(bool at_end, std::vector<AnswerPart>& parts);
  bool work_start(bool at_end);
  bool work_content(bool at_end, std::vector<AnswerPart>& parts);
  bool work_call(bool at_end, std::vector<AnswerPart>& parts);
  bool add_calls(std::string_view text, std::vector<AnswerPart>& parts) const;

  const AnswerShape shape_;
  std::string open_, close_;  // of a call; an empty close: the answer's end
  State state_ = State::kStart;
  std::string held_;
  bool called_ = false;
  bool thought_ = false;  // a thought has had a character that is no blank
};

}  // namespace weft::node

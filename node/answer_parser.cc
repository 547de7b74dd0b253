#include "node/answer_parser.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace weft::node {
namespace {

constexpr std::string_view kThink = "<think>", kThinkEnd = "</think>";
constexpr std::string_view kPythonTag = "<|python_tag|>";
constexpr std::string_view kBlanks = " \t\r\n";

// How many bytes at the text's end may be the beginning of `mark`.
size_t beginning_at_end(std::string_view text, std::string_view mark) {
  for (size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (text.ends_with(mark.substr(0, n))) return n;
  }
  return 0;
}

template <typename Part>
void add_text(std::string text, std::vector<AnswerPart>& parts) {
  if (text.empty()) return;
  auto* last = parts.empty() ? nullptr : std::get_if<Part>(&parts.back());
  if (last) {
    last->text += text;
  } else {
    parts.push_back(Part{std::move(text)});
  }
}

}  // namespace

AnswerParser::AnswerParser(AnswerShape shape) : shape_(std::move(shape)) {
  if (!shape_.chat) state_ = State::kContent;
  if (shape_.thoughts_have_begun) state_ = State::kThoughts;
  if (shape_.calls == CallForm::kHermes) {
    open_ = "<tool_call>";
    close_ = "</tool_call>";
  } else if (shape_.calls == CallForm::kMistral) {
    open_ = "[TOOL_CALLS]";
  } else if (shape_.calls == CallForm::kLlama3) {
    open_ = kPythonTag;
  }
}

std::vector<AnswerPart> AnswerParser::push(std::string_view text) {
  std::vector<AnswerPart> parts;
  held_ += text;
  work(false, parts);
  return parts;
}

std::vector<AnswerPart> AnswerParser::finish() {
  std::vector<AnswerPart> parts;
  work(true, parts);
  return parts;
}

void AnswerParser::work(bool at_end, std::vector<AnswerPart>& parts) {
  bool more = true;
  while (more && !held_.empty()) {
    switch (state_) {
      case State::kStart:
        more = work_start(at_end);
        break;
      case State::kThoughts: {
        // Nor are those at their beginning, however they come.
        if (!thought_) held_.erase(0, held_.find_first_not_of(kBlanks));
        if (held_.empty()) break;
        thought_ = true;
        const size_t end = held_.find(kThinkEnd);
        if (end != std::string::npos) {
          std::string thought = held_.substr(0, end);
          thought.erase(thought.find_last_not_of(kBlanks) + 1);
          add_text<ThoughtPart>(std::move(thought), parts);
          held_.erase(0, end + kThinkEnd.size());
          state_ = State::kAfterThoughts;
          break;
        }
        // Blanks before the end are no part of the thoughts.
        size_t keep = at_end ? 0 : beginning_at_end(held_, kThinkEnd);
        while (!at_end && keep < held_.size() &&
               kBlanks.find(held_[held_.size() - keep - 1]) != std::string_view::npos) {
          ++keep;
        }
        add_text<ThoughtPart>(held_.substr(0, held_.size() - keep), parts);
        held_.erase(0, held_.size() - keep);
        more = false;
        break;
      }
      case State::kAfterThoughts: {
        held_.erase(0, held_.find_first_not_of(kBlanks));
        if (!held_.empty()) state_ = State::kStart;
        break;
      }
      case State::kContent:
        more = work_content(at_end, parts);
        break;
      case State::kCall:
        more = work_call(at_end, parts);
        break;
    }
  }
}

// The answer's first characters say whether it begins with thoughts, or is a call of Llama 3's.
bool AnswerParser::work_start(bool at_end) {
  const size_t first = held_.find_first_not_of(kBlanks);
  if (first == std::string::npos) {
    if (at_end) state_ = State::kContent;
    return at_end;
  }
  const std::string_view text = std::string_view(held_).substr(first);
  if (text.starts_with(kThink)) {
    held_.erase(0, first + kThink.size());
    held_.erase(0, held_.find_first_not_of(kBlanks));
    state_ = State::kThoughts;
    return true;
  }
  if (!at_end && kThink.starts_with(text)) return false;
  const bool object = shape_.calls == CallForm::kLlama3 && text.starts_with('{');
  if (object) held_.erase(0, first);
  state_ = object ? State::kCall : State::kContent;
  return true;
}

bool AnswerParser::work_content(bool at_end, std::vector<AnswerPart>& parts) {
  const size_t open = open_.empty() ? std::string::npos : held_.find(open_);
  if (open != std::string::npos) {
    std::string before = held_.substr(0, open);
    // Blanks that only part a call from what is before it are no text.
    before.erase(before.find_last_not_of(kBlanks) + 1);
    add_text<ContentPart>(std::move(before), parts);
    held_.erase(0, open + open_.size());
    state_ = State::kCall;
    return true;
  }
  size_t keep = at_end || open_.empty() ? 0 : beginning_at_end(held_, open_);
  const bool blanks = !open_.empty() && (!at_end || called_);
  while (blanks && keep < held_.size() &&
         kBlanks.find(held_[held_.size() - keep - 1]) != std::string_view::npos) {
    ++keep;
  }
  add_text<ContentPart>(held_.substr(0, held_.size() - keep), parts);
  held_.erase(0, held_.size() - keep);
  return false;
}

bool AnswerParser::add_calls(std::string_view text, std::vector<AnswerPart>& parts) const {
  auto calls = parse_calls(*shape_.calls, text);
  if (!calls) return false;
  // A model that answers with JSON of its own is not calling anything.
  const auto known = [&](const ToolCall& call) {
    return std::find(shape_.tools.begin(), shape_.tools.end(), call.name) != shape_.tools.end();
  };
  if (!std::all_of(calls->begin(), calls->end(), known)) return false;
  for (ToolCall& call : *calls) parts.push_back(std::move(call));
  return true;
}

bool AnswerParser::work_call(bool at_end, std::vector<AnswerPart>& parts) {
  const size_t close = close_.empty() ? std::string::npos : held_.find(close_);
  const bool too_long = held_.size() > kCallBytesMax;
  if (close == std::string::npos && !at_end && !too_long) return false;
  const size_t end = std::min(close, held_.size());
  std::string text = held_.substr(0, end);
  held_.erase(0, close == std::string::npos ? end : end + close_.size());
  state_ = State::kContent;
  if (!too_long && add_calls(text, parts)) {
    called_ = true;
  } else {
    // Of Llama 3's objects nothing stood before the text.
    const bool marked = shape_.calls != CallForm::kLlama3 || !trim(text).starts_with('{');
    if (close != std::string::npos) text += close_;
    add_text<ContentPart>(marked ? open_ + text : std::move(text), parts);
  }
  return true;
}

}  // namespace weft::node

#include "node/text_output.h"

#include <algorithm>

#include "base/text.h"

namespace weft::node {

Result<> validate_stop_texts(const std::vector<std::string>& stop) {
  if (stop.size() > kStopTextsMax) {
    return Error(ErrorCode::kInvalid, cat("at most ", kStopTextsMax, " stop texts are taken"));
  }
  for (const std::string& text : stop) {
    if (text.empty() || text.size() > kStopBytesMax) {
      return Error(ErrorCode::kInvalid, cat("a stop text has 1 to ", kStopBytesMax, " bytes"));
    }
  }
  return {};
}

std::string StopMatcher::push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stop_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    return held_.substr(0, first);
  }
  // The longest end of the text that begins a stop text stays here.
  size_t keep = 0;
  for (const std::string& stop : stop_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, n))) keep = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopMatcher::finish() { return stopped_ ? "" : std::exchange(held_, ""); }

}  // namespace weft::node

#include <algorithm>

#include "base/text.h"
#include "model/tokenizer.h"

namespace weft::model {
namespace {

// True if later bytes could make a character of `text`, which does not begin with a whole one.
// The second byte's bounds depend on the first (RFC 3629): 0x80 or 0xBF is within them.
bool is_unfinished(std::string_view text) {
  return text.size() < 4 && (utf8_complete_prefix(cat(text, "\x80\x80\x80")) > text.size() ||
                             utf8_complete_prefix(cat(text, "\xBF\x80\x80")) > text.size());
}

}  // namespace

std::string StreamDecoder::push(TokenId token) {
  const bool shown = std::find(shown_.begin(), shown_.end(), token) != shown_.end();
  pending_ += tokenizer_->piece(token, shown);
  std::string text;
  while (!pending_.empty()) {
    const size_t whole = utf8_complete_prefix(pending_);
    text.append(pending_, 0, whole);
    pending_.erase(0, whole);
    if (pending_.empty() || is_unfinished(pending_)) break;
    text += utf8_sanitize(std::string_view(pending_).substr(0, 1));
    pending_.erase(0, 1);
  }
  return text;
}

std::string StreamDecoder::finish() {
  std::string text = utf8_sanitize(pending_);
  pending_.clear();
  return text;
}

}  // namespace weft::model

#include "model/special_tokens.h"

#include <algorithm>

namespace weft::model {

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary, bool with_control) {
  for (TokenId id = 0; vocabulary.contains(id); ++id) {
    const TokenKind kind = vocabulary.kind(id);
    const bool control = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    if (kind != TokenKind::kUserDefined && !(with_control && control)) continue;
    if (vocabulary.text(id).empty() || vocabulary.find(vocabulary.text(id)) != id) continue;
    tokens_.push_back(id);
    begins_[uint8_t(vocabulary.text(id)[0])] = true;
  }
  std::sort(tokens_.begin(), tokens_.end(),
            [&](TokenId a, TokenId b) { return vocabulary.text(a) < vocabulary.text(b); });
}

SpecialTokens::Match SpecialTokens::next(const Vocabulary& vocabulary, std::string_view text,
                                         size_t from) const {
  for (size_t begin = from; begin < text.size() && !tokens_.empty(); ++begin) {
    if (!begins_[uint8_t(text[begin])]) continue;
    // Narrows the ordered tokens to those that agree with the text, one byte at a time.
    Match match{begin, 0, 0};
    auto low = tokens_.begin(), high = tokens_.end();
    for (size_t depth = 0; begin + depth < text.size() && low != high; ++depth) {
      const uint8_t byte = uint8_t(text[begin + depth]);
      const auto byte_at = [&](TokenId id) {  // -1: the token ends here and sorts first
        const std::string_view token = vocabulary.text(id);
        return depth < token.size() ? int(uint8_t(token[depth])) : -1;
      };
      low = std::partition_point(low, high, [&](TokenId id) { return byte_at(id) < byte; });
      high = std::partition_point(low, high, [&](TokenId id) { return byte_at(id) == byte; });
      if (low != high && vocabulary.text(*low).size() == depth + 1) {
        match = {begin, depth + 1, *low};
      }
    }
    if (match.bytes > 0) return match;
  }
  return {text.size(), 0, 0};
}

}  // namespace weft::model

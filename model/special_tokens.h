// Finds tokens that stand in text as they are written: user-defined ones always, control tokens
// only where the caller allows it.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "model/vocabulary.h"

namespace weft::model {

class SpecialTokens {
 public:
  // `with_control`: control and unknown tokens too.
  SpecialTokens(const Vocabulary& vocabulary, bool with_control);

  struct Match {
    size_t begin;
    size_t bytes;
    TokenId token;
  };
  // The first match at or after `from`, the longest there; bytes is 0 if there is none.
  Match next(const Vocabulary& vocabulary, std::string_view text, size_t from) const;

 private:
  std::vector<TokenId> tokens_;     // ordered by text
  std::array<bool, 256> begins_{};  // bytes that a token begins with
};

}  // namespace weft::model

// TokenTrie: the texts of a vocabulary's tokens as a tree of bytes, in one array in depth-first
// order, so that all tokens that may follow are found in one pass that skips what cannot.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "model/pair_merge.h"
#include "model/tokenizer.h"

namespace weft::model {

// Some tokens of a vocabulary.
class TokenSet {
 public:
  explicit TokenSet(size_t vocab_size) : words_((vocab_size + 63) / 64) {}
  void add(TokenId token) {
    uint64_t& word = words_[size_t(token) / 64];
    const uint64_t bit = uint64_t{1} << size_t(token) % 64;
    count_ += (word & bit) == 0;
    word |= bit;
  }
  bool contains(TokenId token) const {
    const size_t word = size_t(token) / 64;
    return token >= 0 && word < words_.size() && (words_[word] >> size_t(token) % 64 & 1) != 0;
  }
  size_t size() const { return count_; }

  // visit(token) for each, in order.
  template <typename Visit>
  void each(Visit visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t left = words_[i]; left != 0; left &= left - 1) {
        visit(TokenId(i * 64 + size_t(__builtin_ctzll(left))));
      }
    }
  }

 private:
  std::vector<uint64_t> words_;
  size_t count_ = 0;
};

class TokenTrie {
 public:
  // Longer ones are no part of a constrained answer.
  static constexpr size_t kTokenBytesMax = 255;

  struct Node {
    uint32_t end = 0;          // the node after this one's descendants
    TokenId token = kNoToken;  // whose text ends here; others of the same text by next_same
    uint8_t byte = 0;
    uint8_t depth = 0;  // bytes from the root, which has depth 0
  };

  // Copies what it needs of the tokenizer. Control tokens have no text.
  explicit TokenTrie(const Tokenizer& tokenizer);

  const std::vector<Node>& nodes() const { return nodes_; }
  TokenId next_same(TokenId token) const { return next_same_[size_t(token)]; }
  uint32_t vocab_size() const { return uint32_t(pieces_.size()); }
  // "" for control tokens and those that are too long.
  const std::string& piece(TokenId token) const { return pieces_[size_t(token)]; }
  std::optional<TokenId> find(const std::string& token_text) const;
  // The token's own text if it is one that find() knows: control and added ones. Else "".
  std::string_view special_text(TokenId token) const;
  const std::vector<TokenId>& end_tokens() const { return end_tokens_; }

 private:
  std::vector<Node> nodes_;
  std::vector<TokenId> next_same_;
  std::vector<std::string> pieces_;
  std::map<std::string, TokenId> specials_;
  std::map<TokenId, std::string> special_texts_;
  std::vector<TokenId> end_tokens_;
};

}  // namespace weft::model

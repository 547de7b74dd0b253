#include "model/token_trie.h"

#include <algorithm>

namespace weft::model {

TokenTrie::TokenTrie(const Tokenizer& tokenizer) : end_tokens_(tokenizer.end_tokens()) {
  const uint32_t count = tokenizer.vocab_size();
  pieces_.resize(count);
  next_same_.assign(count, kNoToken);
  std::vector<TokenId> order;
  for (TokenId id = 0; uint32_t(id) < count; ++id) {
    std::string piece = tokenizer.piece(id);
    // Of control and added tokens this is their own text; of others it is in another alphabet.
    const std::string text = tokenizer.piece(id, true);
    if (tokenizer.is_control(id) || tokenizer.find(text) == id) {
      specials_.emplace(text, id);
      special_texts_[id] = text;
    }
    if (piece.empty() || piece.size() > kTokenBytesMax) continue;
    pieces_[size_t(id)] = std::move(piece);
    order.push_back(id);
  }
  std::sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    const int difference = pieces_[size_t(a)].compare(pieces_[size_t(b)]);
    return difference != 0 ? difference < 0 : a < b;
  });

  nodes_.push_back({});
  std::vector<uint32_t> path = {0};  // open nodes from the root
  const auto close_to = [&](size_t depth) {
    for (; path.size() > depth + 1; path.pop_back())
      nodes_[path.back()].end = uint32_t(nodes_.size());
  };
  std::string_view before;
  for (const TokenId id : order) {
    const std::string& piece = pieces_[size_t(id)];
    const auto common =
        size_t(std::mismatch(piece.begin(), piece.end(), before.begin(), before.end()).first -
               piece.begin());
    close_to(common);
    for (size_t depth = common; depth < piece.size(); ++depth) {
      path.push_back(uint32_t(nodes_.size()));
      nodes_.push_back({0, kNoToken, uint8_t(piece[depth]), uint8_t(depth + 1)});
    }
    Node& node = nodes_[path.back()];
    next_same_[size_t(id)] = node.token;
    node.token = id;
    before = piece;
  }
  close_to(0);
  nodes_[0].end = uint32_t(nodes_.size());
}

std::optional<TokenId> TokenTrie::find(const std::string& token_text) const {
  const auto found = specials_.find(token_text);
  if (found == specials_.end()) return std::nullopt;
  return found->second;
}

std::string_view TokenTrie::special_text(TokenId token) const {
  const auto found = special_texts_.find(token);
  return found == special_texts_.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace weft::model

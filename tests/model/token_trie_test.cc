#include "model/token_trie.h"

#include <gtest/gtest.h>

#include "tests/model/constrained.h"

namespace weft::model {
namespace {

TEST(TokenTrie, HasEveryTextAtItsPlace) {
  const Tokenizer tokenizer = small_tokenizer();
  const TokenTrie trie(tokenizer);
  std::string path;
  std::vector<bool> found(tokenizer.vocab_size());
  for (uint32_t at = 1; at < trie.nodes().size(); ++at) {
    const TokenTrie::Node& node = trie.nodes()[at];
    path.resize(node.depth - 1u);
    path += char(node.byte);
    EXPECT_GT(node.end, at);
    EXPECT_LE(node.end, trie.nodes().size());
    for (TokenId token = node.token; token != kNoToken; token = trie.next_same(token)) {
      EXPECT_EQ(tokenizer.piece(token), path);
      EXPECT_FALSE(found[size_t(token)]);
      found[size_t(token)] = true;
    }
  }
  for (TokenId token = 0; uint32_t(token) < tokenizer.vocab_size(); ++token) {
    EXPECT_EQ(found[size_t(token)], !tokenizer.piece(token).empty()) << token;
  }
}

TEST(TokenTrie, KnowsControlTokensByTheirText) {
  const Tokenizer tokenizer = small_tokenizer();
  const TokenTrie trie(tokenizer);
  EXPECT_EQ(trie.find("<|eot_id|>"), 260);
  EXPECT_EQ(trie.find("<|user|>"), 261);
  EXPECT_FALSE(trie.find("<|nothing|>").has_value());
  EXPECT_EQ(trie.special_text(260), "<|eot_id|>");
  EXPECT_EQ(trie.piece(260), "");
}

TEST(TokenSet, CountsAndListsWhatItHas) {
  TokenSet set(200);
  for (const TokenId token : {5, 199, 5, 64}) set.add(token);
  EXPECT_EQ(set.size(), 3u);
  std::vector<TokenId> all;
  set.each([&](TokenId token) { all.push_back(token); });
  EXPECT_EQ(all, (std::vector<TokenId>{5, 64, 199}));
  EXPECT_FALSE(set.contains(-1));
  EXPECT_FALSE(set.contains(100'000));
}

}  // namespace
}  // namespace weft::model

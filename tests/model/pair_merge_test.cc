#include "model/pair_merge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

using Rules = std::map<std::pair<TokenId, TokenId>, Merge>;

// The definition, step by step: the best of all adjacent pairs, over and over.
std::vector<TokenId> merge_plainly(std::vector<TokenId> tokens, const Rules& rules) {
  while (true) {
    size_t best = tokens.size();
    double best_rank = 0;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto rule = rules.find({tokens[i], tokens[i + 1]});
      if (rule == rules.end() || (best < tokens.size() && rule->second.rank >= best_rank)) continue;
      best = i;
      best_rank = rule->second.rank;
    }
    if (best == tokens.size()) return tokens;
    tokens[best] = rules.at({tokens[best], tokens[best + 1]}).token;
    tokens.erase(tokens.begin() + std::ptrdiff_t(best) + 1);
  }
}

TEST(PairMerger, AgreesWithTheDefinitionOnRandomRulesAndTexts) {
  Random random(test::test_seed(11));
  PairMerger merger;
  for (int round = 0; round < 300; ++round) {
    Rules rules;
    for (int i = 0; i < 30; ++i) {
      const std::pair pair{TokenId(random.below(12)), TokenId(random.below(12))};
      rules[pair] = {double(random.below(10)), TokenId(random.below(12))};  // ranks may tie
    }
    std::vector<TokenId> tokens(random.below(40));
    for (TokenId& token : tokens) token = TokenId(random.below(12));

    merger.clear();
    for (size_t i = 0; i < tokens.size(); ++i) merger.add(uint32_t(i), 1, tokens[i]);
    merger.run([&](const MergeSymbol& left, const MergeSymbol& right) -> std::optional<Merge> {
      const auto rule = rules.find({left.token, right.token});
      return rule == rules.end() ? std::nullopt : std::optional(rule->second);
    });
    std::vector<TokenId> merged;
    uint32_t covered = 0;
    merger.each([&](const MergeSymbol& symbol) {
      EXPECT_EQ(symbol.begin, covered);
      covered += symbol.bytes;
      merged.push_back(symbol.token);
    });
    EXPECT_EQ(covered, tokens.size());
    EXPECT_EQ(merged, merge_plainly(tokens, rules)) << "round " << round;
  }
}

}  // namespace
}  // namespace weft::model

// The merge loop that byte-pair encoding and SentencePiece-style vocabularies share: of all
// adjacent pairs the one of lowest rank (the leftmost on a tie) becomes one symbol, until none is
// left. n log n in the number of symbols, by a heap of candidates of which outdated ones are
// skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "base/id.h"

namespace weft::model {

inline constexpr TokenId kNoToken = -1;

struct MergeSymbol {
  uint32_t begin;  // in the text
  uint32_t bytes;  // 0 once it was merged into the symbol before it
  int32_t previous;
  int32_t next;
  TokenId token;  // kNoToken: text without a token of its own
};

struct Merge {
  double rank;
  TokenId token;
};

class PairMerger {
 public:
  // Symbols of the next text, in order; `clear` begins another text and keeps the memory.
  void clear() { symbols_.clear(); }
  void add(uint32_t begin, uint32_t bytes, TokenId token) {
    const int32_t index = int32_t(symbols_.size());
    if (index > 0) symbols_.back().next = index;
    symbols_.push_back({begin, bytes, index - 1, -1, token});
  }

  // Merges by `look_up(left, right)`, an std::optional<Merge>.
  template <typename LookUp>
  void run(LookUp look_up) {
    for (size_t i = 1; i < symbols_.size(); ++i) push(int32_t(i) - 1, look_up);
    while (!heap_.empty()) {
      const Candidate best = heap_.top();
      heap_.pop();
      MergeSymbol& left = symbols_[size_t(best.left)];
      if (left.bytes == 0 || left.next < 0) continue;
      MergeSymbol& right = symbols_[size_t(left.next)];
      // Symbols only grow, so equal length means that neither has changed since.
      if (left.bytes + right.bytes != best.bytes) continue;
      left.bytes = best.bytes;
      left.token = best.token;
      right.bytes = 0;
      left.next = right.next;
      if (left.next >= 0) symbols_[size_t(left.next)].previous = best.left;
      if (left.previous >= 0) push(left.previous, look_up);
      push(best.left, look_up);
    }
  }

  // visit(symbol) for each that is left, in order.
  template <typename Visit>
  void each(Visit visit) const {
    for (const MergeSymbol& symbol : symbols_) {
      if (symbol.bytes > 0) visit(symbol);
    }
  }

 private:
  struct Candidate {
    double rank;
    int32_t left;
    uint32_t bytes;  // of both together
    TokenId token;

    bool operator<(const Candidate& other) const {  // the heap's top is its greatest
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  template <typename LookUp>
  void push(int32_t left, LookUp& look_up) {
    const MergeSymbol& a = symbols_[size_t(left)];
    if (a.next < 0) return;
    const MergeSymbol& b = symbols_[size_t(a.next)];
    if (const std::optional<Merge> merge = look_up(a, b)) {
      heap_.push({merge->rank, left, a.bytes + b.bytes, merge->token});
    }
  }

  std::vector<MergeSymbol> symbols_;
  std::priority_queue<Candidate> heap_;
};

}  // namespace weft::model

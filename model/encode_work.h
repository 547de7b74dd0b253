// EncodeWork: what one text's encoding keeps from word to word: memory, and what words and pairs of
// tokens became, so that one that comes again costs a look-up. The caches are direct-mapped: of two
// entries that meet in a slot the newer stays, so that no text can make them slow or large.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "model/pair_merge.h"

namespace weft::model {

class WordCache {
 public:
  static constexpr size_t kSlotsMax = 4096;
  static constexpr size_t kWordBytesMax = 27;  // longer ones seldom come again

  // For the words of a text of `text_bytes`; `tokens` outlives the cache and only grows.
  WordCache(size_t text_bytes, std::vector<TokenId>& tokens)
      : slots_(std::bit_ceil(std::clamp<size_t>(text_bytes / 8, 1, kSlotsMax))), tokens_(tokens) {}

  // Appends the tokens of `word`: those it had before, or those that encode() appends.
  template <typename Encode>
  void append(std::string_view word, Encode encode) {
    if (word.empty() || word.size() > kWordBytesMax) return encode();
    Slot& slot = slots_[std::hash<std::string_view>()(word) & (slots_.size() - 1)];
    if (std::string_view(slot.word, slot.bytes) == word) {
      for (uint32_t i = 0; i < slot.count; ++i) {
        const TokenId token = tokens_[slot.begin + i];
        tokens_.push_back(token);
      }
      return;
    }
    const size_t begin = tokens_.size();
    encode();
    if (tokens_.size() > UINT32_MAX) return;
    std::memcpy(slot.word, word.data(), word.size());
    slot.bytes = uint8_t(word.size());
    slot.begin = uint32_t(begin);
    slot.count = uint32_t(tokens_.size() - begin);
  }

 private:
  struct Slot {
    char word[kWordBytesMax];
    uint8_t bytes = 0;              // 0: empty
    uint32_t begin = 0, count = 0;  // in tokens_
  };

  std::vector<Slot> slots_;
  std::vector<TokenId>& tokens_;
};

// What two tokens side by side make, if their text is a token.
class PairCache {
 public:
  static constexpr size_t kSlotsMax = 16384;

  explicit PairCache(size_t text_bytes)
      : slots_(std::bit_ceil(std::clamp<size_t>(text_bytes / 2, 1, kSlotsMax))) {}

  // The joined token, kNoToken if there is none: as found before, or as look_up() finds it.
  template <typename LookUp>
  TokenId join(TokenId left, TokenId right, LookUp look_up) {
    if (left == kNoToken || right == kNoToken) return look_up();
    constexpr uint64_t kSpread = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
    const uint64_t both = uint64_t{uint32_t(left)} << 32 | uint32_t(right);
    Slot& slot = slots_[both * kSpread >> 40 & (slots_.size() - 1)];
    if (slot.left != left || slot.right != right) slot = {left, right, look_up()};
    return slot.joined;
  }

 private:
  struct Slot {
    TokenId left = kNoToken, right = kNoToken, joined = kNoToken;
  };

  std::vector<Slot> slots_;
};

struct EncodeWork {
  EncodeWork(size_t text_bytes, std::vector<TokenId>& tokens)
      : words(text_bytes, tokens), pairs(text_bytes) {}

  PairMerger merger;
  WordCache words;
  PairCache pairs;
  std::string marked;  // a text with its spaces marked
};

}  // namespace weft::model

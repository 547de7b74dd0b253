// The tokens of a vocabulary: texts, kinds, scores, and the ids with a meaning of their own.
// Internal to the tokenizers. Copies what it needs: the file may be closed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "model/flat_index.h"
#include "model/gguf.h"

namespace weft::model {

inline constexpr uint64_t kVocabularyMax = 1 << 24;

// Numbers as in tokenizer.ggml.token_type.
enum class TokenKind : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

class Vocabulary {
 public:
  // kCorrupt names the key whose type, length or value is wrong.
  static Result<Vocabulary> read(const GgufFile& file);

  uint32_t size() const { return uint32_t(kinds_.size()); }
  bool contains(TokenId id) const { return id >= 0 && uint32_t(id) < size(); }
  // Of an id that it contains.
  std::string_view text(TokenId id) const {
    return {texts_.data() + starts_[size_t(id)], starts_[size_t(id) + 1] - starts_[size_t(id)]};
  }
  TokenKind kind(TokenId id) const { return kinds_[size_t(id)]; }
  float score(TokenId id) const { return scores_.empty() ? 0 : scores_[size_t(id)]; }
  bool has_scores() const { return !scores_.empty(); }
  size_t longest_text() const { return longest_text_; }

  // The lowest id with this text.
  std::optional<TokenId> find(std::string_view text) const;
  // The same, but only a token that plain text may become: never a control, byte or unknown token.
  std::optional<TokenId> find_plain(std::string_view text) const;

  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }
  std::optional<TokenId> unknown() const { return unknown_; }
  std::optional<bool> add_bos() const { return add_bos_; }
  const std::vector<TokenId>& end_tokens() const { return end_tokens_; }

 private:
  Result<> read_ids(const GgufFile& file, uint64_t count);
  Result<> read_kinds(const GgufFile& file, uint64_t count);
  Result<> read_scores(const GgufFile& file, uint64_t count);
  Result<> read_texts(const GgufFile& file);
  void collect_end_tokens();

  std::vector<char> texts_;
  std::vector<uint32_t> starts_;  // size() + 1 offsets into texts_
  std::vector<TokenKind> kinds_;
  std::vector<float> scores_;  // empty if the file has none
  FlatIndex by_text_;
  size_t longest_text_ = 0;
  std::optional<TokenId> bos_, eos_, unknown_;
  std::optional<bool> add_bos_;
  std::vector<TokenId> end_tokens_;
};

}  // namespace weft::model

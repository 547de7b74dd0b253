// SentencePiece-style encoding ("llama"): of all adjacent pairs whose text is a token, the one with
// the highest score is merged first; what has no token becomes byte tokens.
// Source: Kudo and Richardson 2018, arXiv:1808.06226 (its BPE model).
#pragma once

#include <array>
#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "model/encode_work.h"
#include "model/gguf.h"
#include "model/vocabulary.h"

namespace weft::model {

class ScoredPieceEncoder {
 public:
  // kCorrupt if the vocabulary has no scores.
  static Result<ScoredPieceEncoder> read(const GgufFile& file, const Vocabulary& vocabulary);

  // Appends the tokens of `text`, well-formed UTF-8. `at_start`: begin with the space that the
  // vocabulary wants before a text. Thread-safe.
  void encode(const Vocabulary& vocabulary, std::string_view text, bool at_start, EncodeWork& work,
              std::vector<TokenId>& tokens) const;
  // The bytes a token stands for.
  std::string piece(const Vocabulary& vocabulary, TokenId token) const;
  bool adds_space() const { return add_space_; }

 private:
  ScoredPieceEncoder() = default;
  // The same for one run of `text`, spaces marked, that no token reaches out of.
  void encode_run(const Vocabulary& vocabulary, std::string_view text, EncodeWork& work,
                  std::vector<TokenId>& tokens) const;
  // Where the run that begins at `from` ends.
  size_t next_word(std::string_view text, size_t from) const;

  bool add_space_ = true;
  std::array<TokenId, 128> ascii_tokens_{};
  // The text may be cut where no token could reach over: between two bytes that no token has side
  // by side, and before a space if no token has that byte before a space.
  std::bitset<65536> joined_;
  std::array<bool, 256> joins_space_{};
  std::array<TokenId, 256> byte_tokens_{};  // kNoToken where the vocabulary lacks the byte
};

}  // namespace weft::model

// Byte-level byte-pair encoding. Source: Sennrich et al. 2016, arXiv:1508.07909; the alphabet that
// gives each byte a printable character is GPT-2's (Radford et al. 2019).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "model/encode_work.h"
#include "model/flat_index.h"
#include "model/gguf.h"
#include "model/pretokenizer.h"
#include "model/vocabulary.h"

namespace weft::model {

// `bytes` in the alphabet, and back. Text outside the alphabet comes back as it is.
std::string to_byte_alphabet(std::string_view bytes);
std::string from_byte_alphabet(std::string_view text);

class BytePairEncoder {
 public:
  // Reads tokenizer.ggml.merges and tokenizer.ggml.pre. Merges of unknown tokens are left out.
  static Result<BytePairEncoder> read(const GgufFile& file, const Vocabulary& vocabulary);

  // Appends the tokens of `text`, well-formed UTF-8. Thread-safe.
  void encode(const Vocabulary& vocabulary, std::string_view text, EncodeWork& work,
              std::vector<TokenId>& tokens) const;
  bool default_add_bos() const { return pretokenizer_.facts().add_bos; }

 private:
  struct Rule {
    TokenId left, right, merged;
  };

  explicit BytePairEncoder(Pretokenizer pretokenizer) : pretokenizer_(std::move(pretokenizer)) {}
  Result<> read_merges(const GgufFile& file, const Vocabulary& vocabulary);
  void encode_word(const Vocabulary& vocabulary, std::string_view word, PairMerger& merger,
                   std::vector<TokenId>& tokens) const;
  std::optional<Merge> find_merge(TokenId left, TokenId right) const;

  Pretokenizer pretokenizer_;
  std::array<TokenId, 256> byte_tokens_{};  // kNoToken where the vocabulary lacks the byte
  std::vector<Rule> rules_;                 // the index is the rank
  FlatIndex by_pair_;
};

}  // namespace weft::model

// Cuts text into the words that byte-pair encoding works in, by the patterns that were published
// with each tokenizer, run by PCRE2 with Unicode properties.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

struct pcre2_real_code_8;

namespace weft::model {

// One row of the table of pre-tokenizers.
struct PretokenizerFacts {
  std::string_view name;                       // tokenizer.ggml.pre
  std::span<const std::string_view> patterns;  // each cuts what the one before it left
  bool whole_words_first;  // a word that is a token is that token, whatever the merges say
  bool add_bos;            // where the file does not say
};

// All that are supported; several names may share patterns.
std::span<const PretokenizerFacts> pretokenizer_table();

class Pretokenizer {
 public:
  // kUnsupported names `name` and what is supported.
  static Result<Pretokenizer> make(std::string_view name);
  Pretokenizer(Pretokenizer&&) noexcept;
  Pretokenizer& operator=(Pretokenizer&&) noexcept;
  ~Pretokenizer();

  // The words of `text`, well-formed UTF-8, in order; together they are the text. Thread-safe.
  std::vector<std::string_view> split(std::string_view text) const;
  const PretokenizerFacts& facts() const { return *facts_; }

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, FreeCode>;

  explicit Pretokenizer(const PretokenizerFacts& facts) : facts_(&facts) {}

  const PretokenizerFacts* facts_;
  std::vector<Code> codes_;
};

}  // namespace weft::model

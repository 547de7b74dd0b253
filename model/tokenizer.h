// Text to token ids and back, as the GGUF's own vocabulary says: byte-level BPE ("gpt2" with the
// pre-tokenizers llama-bpe, qwen2, gpt-2/default, smollm ...) and SentencePiece-style ("llama").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/result.h"
#include "model/gguf.h"

namespace weft::model {

struct EncodeOptions {
  bool add_bos = true;         // if the file says that the model wants one
  bool parse_special = false;  // control tokens written out in the text become their token
};

class Tokenizer {
 public:
  // kCorrupt names the key; kUnsupported names the tokenizer model or pre-tokenizer.
  static Result<Tokenizer> from_gguf(const GgufFile& file);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // `text` may hold any bytes; malformed UTF-8 is read as U+FFFD. Thread-safe.
  std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;
  // The bytes a token stands for; control tokens give "" unless `with_special`. May be part of a
  // character: use StreamDecoder for text. Unknown ids give "". Thread-safe.
  std::string piece(TokenId token, bool with_special = false) const;
  // The bytes of all; the space that a SentencePiece-style vocabulary puts before a text is taken
  // off.
  std::string decode(const std::vector<TokenId>& tokens, bool with_special = false) const;

  // The first control or added token that stands in `text` as written, at or after `from`: where
  // it begins and its bytes; 0 bytes, at the text's end, if there is none. Thread-safe.
  std::pair<size_t, size_t> find_special(std::string_view text, size_t from) const;

  uint32_t vocab_size() const;
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  // Every token that ends a turn: eos, eot and their kind (<|eot_id|>, <|im_end|>, <|end|>, ...).
  const std::vector<TokenId>& end_tokens() const;
  bool is_control(TokenId token) const;
  std::optional<TokenId> find(std::string_view token_text) const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Turns a stream of tokens into text that never splits a character. Control tokens give no text,
// but for those that are `shown`. The stream is taken as the continuation of another text: a first
// space stays.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, std::vector<TokenId> shown = {})
      : tokenizer_(&tokenizer), shown_(std::move(shown)) {}
  // The whole characters that this token completes; may be empty.
  std::string push(TokenId token);
  // What is left at the end, malformed bytes as U+FFFD.
  std::string finish();

 private:
  const Tokenizer* tokenizer_;
  std::vector<TokenId> shown_;
  std::string pending_;  // at most three bytes of an unfinished character between calls
};

}  // namespace weft::model

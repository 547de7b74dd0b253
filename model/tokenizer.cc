#include "model/tokenizer.h"

#include "base/text.h"
#include "model/byte_pair.h"
#include "model/scored_pieces.h"
#include "model/special_tokens.h"
#include "model/vocabulary.h"

namespace weft::model {

struct Tokenizer::State {
  Vocabulary vocabulary;
  SpecialTokens user_defined;
  SpecialTokens with_control;
  // Exactly one of them.
  std::optional<BytePairEncoder> byte_pairs;
  std::optional<ScoredPieceEncoder> scored;
  bool add_bos = false;

  explicit State(Vocabulary read)
      : vocabulary(std::move(read)),
        user_defined(vocabulary, false),
        with_control(vocabulary, true) {}

  bool is_special(TokenId id) const {
    return vocabulary.kind(id) == TokenKind::kControl || vocabulary.kind(id) == TokenKind::kUnknown;
  }

  void encode_plain(std::string_view text, bool at_start, EncodeWork& work,
                    std::vector<TokenId>& tokens) const {
    if (byte_pairs) {
      byte_pairs->encode(vocabulary, text, work, tokens);
    } else {
      scored->encode(vocabulary, text, at_start, work, tokens);
    }
  }
};

Result<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  WEFT_TRY(const std::string_view kind, file.text("tokenizer.ggml.model"));
  if (kind != "gpt2" && kind != "llama") {
    return Error(ErrorCode::kUnsupported, cat("tokenizer model '", printable(kind),
                                              "' is not supported (supported: gpt2, "
                                              "llama)"));
  }
  WEFT_TRY(Vocabulary vocabulary, Vocabulary::read(file));
  auto state = std::make_unique<State>(std::move(vocabulary));
  bool add_bos = true;
  if (kind == "gpt2") {
    WEFT_TRY(state->byte_pairs, BytePairEncoder::read(file, state->vocabulary));
    add_bos = state->byte_pairs->default_add_bos();
  } else {
    WEFT_TRY(state->scored, ScoredPieceEncoder::read(file, state->vocabulary));
  }
  state->add_bos = state->vocabulary.add_bos().value_or(add_bos);
  return Tokenizer(std::move(state));
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  std::string sanitized;
  if (!is_utf8(text)) {
    sanitized = utf8_sanitize(text);
    text = sanitized;
  }
  std::vector<TokenId> tokens;
  const Vocabulary& vocabulary = state_->vocabulary;
  if (options.add_bos && state_->add_bos && vocabulary.bos()) tokens.push_back(*vocabulary.bos());

  const SpecialTokens& specials =
      options.parse_special ? state_->with_control : state_->user_defined;
  EncodeWork work(text.size(), tokens);
  // A text begins at its start and after each token that stood in it as written.
  for (size_t at = 0; at < text.size();) {
    const SpecialTokens::Match match = specials.next(vocabulary, text, at);
    state_->encode_plain(text.substr(at, match.begin - at), true, work, tokens);
    if (match.bytes > 0) tokens.push_back(match.token);
    at = match.begin + match.bytes;
  }
  return tokens;
}

std::string Tokenizer::piece(TokenId token, bool with_special) const {
  const Vocabulary& vocabulary = state_->vocabulary;
  if (!vocabulary.contains(token)) return "";
  if (state_->is_special(token)) {
    return with_special ? std::string(vocabulary.text(token)) : std::string();
  }
  if (state_->scored) return state_->scored->piece(vocabulary, token);
  // User-defined tokens are written as they are, not in the byte alphabet.
  if (vocabulary.kind(token) == TokenKind::kUserDefined) return std::string(vocabulary.text(token));
  return from_byte_alphabet(vocabulary.text(token));
}

std::string Tokenizer::decode(const std::vector<TokenId>& tokens, bool with_special) const {
  std::string text;
  bool at_start = state_->scored && state_->scored->adds_space();
  for (const TokenId token : tokens) {
    std::string bytes = piece(token, with_special);
    const bool special = !state_->vocabulary.contains(token) || state_->is_special(token);
    // The space that encode put before the text goes again.
    if (at_start && !special && bytes.starts_with(' ')) bytes.erase(0, 1);
    if (!special) at_start = false;
    text += bytes;
  }
  return text;
}

std::pair<size_t, size_t> Tokenizer::find_special(std::string_view text, size_t from) const {
  const SpecialTokens::Match match = state_->with_control.next(state_->vocabulary, text, from);
  return {match.begin, match.bytes};
}

uint32_t Tokenizer::vocab_size() const {
  return state_->vocabulary.size();
}
std::optional<TokenId> Tokenizer::bos() const {
  return state_->vocabulary.bos();
}
std::optional<TokenId> Tokenizer::eos() const {
  return state_->vocabulary.eos();
}

const std::vector<TokenId>& Tokenizer::end_tokens() const {
  return state_->vocabulary.end_tokens();
}

bool Tokenizer::is_control(TokenId token) const {
  return state_->vocabulary.contains(token) && state_->is_special(token);
}

std::optional<TokenId> Tokenizer::find(std::string_view token_text) const {
  return state_->vocabulary.find(token_text);
}

}  // namespace weft::model

#include "model/vocabulary.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace weft::model {
namespace {

// Keys whose token ends a turn.
constexpr std::string_view kEndKeys[] = {
    "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
// Texts of tokens that end a turn in published families, for files that name only one of them.
constexpr std::string_view kEndTexts[] = {"<|eot_id|>",
                                          "<|eom_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "<|end_of_text|>",
                                          "<|end_of_role|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<|END_OF_TURN_TOKEN|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "<end_of_utterance>",
                                          "<\uFF5Cend\u2581of\u2581sentence\uFF5C>",
                                          "</s>"};

Error corrupt(std::string message) {
  return Error(ErrorCode::kCorrupt, std::move(message));
}

Result<std::optional<TokenId>> read_id(const GgufFile& file, std::string_view key, uint64_t count) {
  if (!file.has(key)) return std::optional<TokenId>();
  WEFT_TRY(const uint64_t id, file.u64(key));
  if (id >= count) {
    return corrupt(
        cat("metadata ", key, " is ", id, ", but the vocabulary has ", count, " tokens"));
  }
  return std::optional<TokenId>(TokenId(id));
}

Result<> check_size(const GgufFile& file, std::string_view key, uint64_t count) {
  WEFT_TRY(const uint64_t size, file.array_size(key));
  if (size != count) {
    return corrupt(cat("metadata ", key, " has ", size, " elements, but the vocabulary has ", count,
                       " tokens"));
  }
  return {};
}

}  // namespace

Result<Vocabulary> Vocabulary::read(const GgufFile& file) {
  const std::string_view tokens_key = "tokenizer.ggml.tokens";
  WEFT_TRY(const uint64_t count, file.array_size(tokens_key));
  if (count == 0 || count > kVocabularyMax) {
    return corrupt(cat("metadata ", tokens_key, " has ", count, " tokens; it must have 1 to ",
                       kVocabularyMax));
  }
  // What is small and likely to be refused comes first.
  Vocabulary vocabulary;
  WEFT_CHECK(vocabulary.read_ids(file, count));
  WEFT_CHECK(vocabulary.read_scores(file, count));
  WEFT_CHECK(vocabulary.read_kinds(file, count));
  WEFT_CHECK(vocabulary.read_texts(file));
  vocabulary.collect_end_tokens();
  return vocabulary;
}

Result<> Vocabulary::read_ids(const GgufFile& file, uint64_t count) {
  WEFT_TRY(bos_, read_id(file, "tokenizer.ggml.bos_token_id", count));
  WEFT_TRY(eos_, read_id(file, "tokenizer.ggml.eos_token_id", count));
  WEFT_TRY(unknown_, read_id(file, "tokenizer.ggml.unknown_token_id", count));
  for (const std::string_view key : kEndKeys) {
    WEFT_TRY(const std::optional<TokenId> id, read_id(file, key, count));
    if (id) end_tokens_.push_back(*id);
  }
  if (file.has("tokenizer.ggml.add_bos_token")) {
    WEFT_TRY(add_bos_, file.boolean("tokenizer.ggml.add_bos_token"));
  }
  return {};
}

Result<> Vocabulary::read_scores(const GgufFile& file, uint64_t count) {
  const std::string_view key = "tokenizer.ggml.scores";
  if (!file.has(key)) return {};
  WEFT_CHECK(check_size(file, key, count));
  WEFT_TRY(scores_, file.floats(key));
  for (size_t i = 0; i < scores_.size(); ++i) {
    if (std::isnan(scores_[i])) return corrupt(cat("metadata ", key, " of token ", i, " is NaN"));
  }
  return {};
}

Result<> Vocabulary::read_kinds(const GgufFile& file, uint64_t count) {
  kinds_.assign(count, TokenKind::kNormal);
  const std::string_view key = "tokenizer.ggml.token_type";
  if (!file.has(key)) return {};
  WEFT_CHECK(check_size(file, key, count));
  WEFT_TRY(const std::vector<int64_t> numbers, file.integers(key));
  for (size_t i = 0; i < count; ++i) {
    const bool known =
        numbers[i] >= int64_t(TokenKind::kNormal) && numbers[i] <= int64_t(TokenKind::kByte);
    if (known) kinds_[i] = TokenKind(numbers[i]);
  }
  return {};
}

Result<> Vocabulary::read_texts(const GgufFile& file) {
  WEFT_TRY(const std::vector<std::string_view> texts, file.texts("tokenizer.ggml.tokens"));
  size_t bytes = 0;  // below the header's limit of 1 GiB, so offsets fit 32 bits
  for (const std::string_view text : texts) bytes += text.size();
  texts_.reserve(bytes);
  starts_.reserve(texts.size() + 1);
  starts_.push_back(0);
  for (const std::string_view text : texts) {
    texts_.insert(texts_.end(), text.begin(), text.end());
    starts_.push_back(uint32_t(texts_.size()));
    longest_text_ = std::max(longest_text_, text.size());
  }
  by_text_ = FlatIndex(size());
  for (uint32_t id = 0; id < size(); ++id) {
    by_text_.insert(hash_text(text(TokenId(id))), id);  // of equal texts the first is found first
  }
  return {};
}

void Vocabulary::collect_end_tokens() {
  for (const std::string_view text : kEndTexts) {
    const auto id = find(text);
    if (id && (kind(*id) == TokenKind::kControl || kind(*id) == TokenKind::kUserDefined)) {
      end_tokens_.push_back(*id);
    }
  }
  // Where answers are several messages (OpenAI, harmony format), <|end|> ends a message and the
  // answer goes on.
  const auto message_end = find("<|end|>");
  if (message_end && find("<|return|>") && find("<|call|>")) {
    std::erase(end_tokens_, *message_end);
  }
  std::sort(end_tokens_.begin(), end_tokens_.end());
  end_tokens_.erase(std::unique(end_tokens_.begin(), end_tokens_.end()), end_tokens_.end());
}

std::optional<TokenId> Vocabulary::find(std::string_view wanted) const {
  if (wanted.size() > longest_text_) return std::nullopt;
  const uint32_t id = by_text_.find(hash_text(wanted),
                                    [&](uint32_t value) { return text(TokenId(value)) == wanted; });
  if (id == FlatIndex::kNone) return std::nullopt;
  return TokenId(id);
}

std::optional<TokenId> Vocabulary::find_plain(std::string_view wanted) const {
  const auto id = find(wanted);
  if (!id || (kind(*id) != TokenKind::kNormal && kind(*id) != TokenKind::kUserDefined)) {
    return std::nullopt;
  }
  return id;
}

}  // namespace weft::model

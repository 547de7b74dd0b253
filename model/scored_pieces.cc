#include "model/scored_pieces.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace weft::model {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581 stands for a space

std::string byte_token_text(int byte) {
  char text[8];
  std::snprintf(text, sizeof text, "<0x%02X>", unsigned(byte));
  return text;
}

// The value of "<0x0A>", or -1.
int parse_byte_token(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t character_bytes(char first) {
  const uint8_t byte = uint8_t(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// Where the next run of spaces after `from`'s word begins, or the text's end.
size_t next_word(std::string_view text, size_t from) {
  while (text.substr(from, kSpaceMark.size()) == kSpaceMark) from += kSpaceMark.size();
  return std::min(text.find(kSpaceMark, from), text.size());
}

}  // namespace

Result<ScoredPieceEncoder> ScoredPieceEncoder::read(const GgufFile& file,
                                                    const Vocabulary& vocabulary) {
  if (!vocabulary.has_scores()) {
    return Error(ErrorCode::kCorrupt,
                 "metadata tokenizer.ggml.scores is missing; a 'llama' tokenizer needs it");
  }
  ScoredPieceEncoder encoder;
  if (file.has("tokenizer.ggml.add_space_prefix")) {
    WEFT_TRY(encoder.add_space_, file.boolean("tokenizer.ggml.add_space_prefix"));
  }
  for (int byte = 0; byte < 256; ++byte) {
    encoder.byte_tokens_[size_t(byte)] = vocabulary.find(byte_token_text(byte)).value_or(kNoToken);
  }
  for (TokenId id = 0; vocabulary.contains(id); ++id) {
    const std::string_view text = vocabulary.text(id);
    if (next_word(text, 0) != text.size()) encoder.spaces_begin_words_ = false;
  }
  return encoder;
}

void ScoredPieceEncoder::encode(const Vocabulary& vocabulary, std::string_view text, bool at_start,
                                std::vector<TokenId>& tokens) const {
  if (text.empty()) return;
  std::string marked;
  if (at_start && add_space_) marked += kSpaceMark;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  // Words are merged one by one where no token could cross from one into the next.
  PairMerger merger;
  for (size_t at = 0; at < marked.size();) {
    const size_t end = spaces_begin_words_ ? next_word(marked, at) : marked.size();
    encode_run(vocabulary, std::string_view(marked).substr(at, end - at), merger, tokens);
    at = end;
  }
}

void ScoredPieceEncoder::encode_run(const Vocabulary& vocabulary, std::string_view text,
                                    PairMerger& merger, std::vector<TokenId>& tokens) const {
  merger.clear();
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = std::min(character_bytes(text[at]), text.size() - at);
    merger.add(uint32_t(at), uint32_t(bytes),
               vocabulary.find_plain(text.substr(at, bytes)).value_or(kNoToken));
    at += bytes;
  }
  merger.run([&](const MergeSymbol& left, const MergeSymbol& right) -> std::optional<Merge> {
    const auto token = vocabulary.find_plain(text.substr(left.begin, left.bytes + right.bytes));
    if (!token) return std::nullopt;
    return Merge{-double(vocabulary.score(*token)), *token};
  });
  merger.each([&](const MergeSymbol& symbol) {
    if (symbol.token != kNoToken) return tokens.push_back(symbol.token);
    for (const char c : text.substr(symbol.begin, symbol.bytes)) {
      const TokenId byte_token = byte_tokens_[uint8_t(c)];
      if (byte_token != kNoToken) {
        tokens.push_back(byte_token);
      } else if (vocabulary.unknown()) {
        tokens.push_back(*vocabulary.unknown());
      }
    }
  });
}

std::string ScoredPieceEncoder::piece(const Vocabulary& vocabulary, TokenId token) const {
  const std::string_view text = vocabulary.text(token);
  if (vocabulary.kind(token) == TokenKind::kByte) {
    const int byte = parse_byte_token(text);
    if (byte >= 0) return std::string(1, char(byte));
  }
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const bool space = text.substr(at, kSpaceMark.size()) == kSpaceMark;
    bytes += space ? ' ' : text[at];
    at += space ? kSpaceMark.size() : 1;
  }
  return bytes;
}

}  // namespace weft::model

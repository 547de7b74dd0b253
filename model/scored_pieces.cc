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

bool is_space_mark(std::string_view text, size_t at) {
  return text.compare(at, kSpaceMark.size(), kSpaceMark) == 0;
}

size_t pair_index(std::string_view text, size_t at) {
  return size_t{uint8_t(text[at - 1])} << 8 | uint8_t(text[at]);
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
    for (size_t at = 1; at < text.size(); ++at) {
      encoder.joined_[pair_index(text, at)] = true;
      if (is_space_mark(text, at)) encoder.joins_space_[uint8_t(text[at - 1])] = true;
    }
  }
  for (int c = 0; c < 128; ++c) {
    const char character = char(c);
    encoder.ascii_tokens_[size_t(c)] = vocabulary.find_plain({&character, 1}).value_or(kNoToken);
  }
  return encoder;
}

size_t ScoredPieceEncoder::next_word(std::string_view text, size_t from) const {
  for (size_t at = from + 1; at < text.size(); ++at) {
    if ((uint8_t(text[at]) & 0xC0) == 0x80) continue;  // inside a character
    if (!joined_[pair_index(text, at)]) return at;
    if (is_space_mark(text, at) && !joins_space_[uint8_t(text[at - 1])]) return at;
  }
  return text.size();
}

void ScoredPieceEncoder::encode(const Vocabulary& vocabulary, std::string_view text, bool at_start,
                                EncodeWork& work, std::vector<TokenId>& tokens) const {
  if (text.empty()) return;
  std::string& marked = work.marked;
  marked.clear();
  if (at_start && add_space_) marked += kSpaceMark;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  for (size_t at = 0; at < marked.size();) {
    const size_t end = next_word(marked, at);
    const std::string_view run = std::string_view(marked).substr(at, end - at);
    work.words.append(run, [&] { encode_run(vocabulary, run, work, tokens); });
    at = end;
  }
}

void ScoredPieceEncoder::encode_run(const Vocabulary& vocabulary, std::string_view text,
                                    EncodeWork& work, std::vector<TokenId>& tokens) const {
  PairMerger& merger = work.merger;
  merger.clear();
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = std::min(character_bytes(text[at]), text.size() - at);
    merger.add(uint32_t(at), uint32_t(bytes),
               bytes == 1 ? ascii_tokens_[uint8_t(text[at]) & 0x7F]
                          : vocabulary.find_plain(text.substr(at, bytes)).value_or(kNoToken));
    at += bytes;
  }
  merger.run([&](const MergeSymbol& left, const MergeSymbol& right) -> std::optional<Merge> {
    const TokenId token = work.pairs.join(left.token, right.token, [&] {
      return vocabulary.find_plain(text.substr(left.begin, left.bytes + right.bytes))
          .value_or(kNoToken);
    });
    if (token == kNoToken) return std::nullopt;
    return Merge{-double(vocabulary.score(token)), token};
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

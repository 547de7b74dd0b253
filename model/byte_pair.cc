#include "model/byte_pair.h"

#include "base/text.h"

namespace weft::model {
namespace {

// Printable Latin-1 stands for itself; the other 68 bytes become U+0100, U+0101, ... in order.
struct ByteAlphabet {
  std::array<uint16_t, 256> of_byte{};
  std::array<int16_t, 384> of_point{};  // -1: not in the alphabet

  ByteAlphabet() {
    of_point.fill(-1);
    uint16_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      of_byte[size_t(byte)] = itself ? uint16_t(byte) : next++;
      of_point[of_byte[size_t(byte)]] = int16_t(byte);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet instance;
  return instance;
}

}  // namespace

std::string to_byte_alphabet(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const uint16_t point = alphabet().of_byte[uint8_t(c)];
    if (point < 0x80) {
      text += char(point);
    } else {
      text += char(0xC0 | point >> 6);
      text += char(0x80 | (point & 0x3F));
    }
  }
  return text;
}

std::string from_byte_alphabet(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t first = uint8_t(text[i]);
    const bool two = first >= 0xC2 && first <= 0xC5;  // U+0080 to U+017F: all of the alphabet
    if (two && i + 1 < text.size() && (uint8_t(text[i + 1]) & 0xC0) == 0x80) {
      const int point = (first & 0x1F) << 6 | (text[i + 1] & 0x3F);
      if (alphabet().of_point[size_t(point)] >= 0) {
        bytes += char(alphabet().of_point[size_t(point)]);
        ++i;
        continue;
      }
    }
    bytes += char(first);
  }
  return bytes;
}

Result<BytePairEncoder> BytePairEncoder::read(const GgufFile& file, const Vocabulary& vocabulary) {
  std::string_view pre = "default";
  if (file.has("tokenizer.ggml.pre")) {
    WEFT_TRY(pre, file.text("tokenizer.ggml.pre"));
  }
  WEFT_TRY(Pretokenizer pretokenizer, Pretokenizer::make(pre));
  BytePairEncoder encoder(std::move(pretokenizer));
  for (size_t byte = 0; byte < 256; ++byte) {
    const char c = char(byte);
    encoder.byte_tokens_[byte] =
        vocabulary.find_plain(to_byte_alphabet({&c, 1})).value_or(kNoToken);
  }
  WEFT_CHECK(encoder.read_merges(file, vocabulary));
  return encoder;
}

Result<> BytePairEncoder::read_merges(const GgufFile& file, const Vocabulary& vocabulary) {
  WEFT_TRY(const std::vector<std::string_view> merges, file.texts("tokenizer.ggml.merges"));
  for (size_t i = 0; i < merges.size(); ++i) {
    // A space parts the two; the alphabet itself has no space.
    const size_t space = merges[i].find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merges[i].size()) {
      return Error(ErrorCode::kCorrupt, cat("metadata tokenizer.ggml.merges element ", i,
                                            " is not two texts with a space between"));
    }
  }
  rules_.reserve(merges.size());
  by_pair_ = FlatIndex(merges.size());
  std::string joined;
  for (const std::string_view merge : merges) {
    const size_t space = merge.find(' ', 1);
    joined.assign(merge.substr(0, space)).append(merge.substr(space + 1));
    const auto left = vocabulary.find_plain(merge.substr(0, space));
    const auto right = vocabulary.find_plain(merge.substr(space + 1));
    const auto merged = vocabulary.find_plain(joined);
    if (!left || !right || !merged || find_merge(*left, *right)) continue;
    by_pair_.insert(hash_pair(uint32_t(*left), uint32_t(*right)), uint32_t(rules_.size()));
    rules_.push_back({*left, *right, *merged});
  }
  return {};
}

std::optional<Merge> BytePairEncoder::find_merge(TokenId left, TokenId right) const {
  if (left == kNoToken || right == kNoToken) return std::nullopt;
  const uint32_t rule = by_pair_.find(hash_pair(uint32_t(left), uint32_t(right)), [&](uint32_t at) {
    return rules_[at].left == left && rules_[at].right == right;
  });
  if (rule == FlatIndex::kNone) return std::nullopt;
  return Merge{double(rule), rules_[rule].merged};
}

void BytePairEncoder::encode(const Vocabulary& vocabulary, std::string_view text, EncodeWork& work,
                             std::vector<TokenId>& tokens) const {
  for (const std::string_view word : pretokenizer_.split(text)) {
    work.words.append(word, [&] { encode_word(vocabulary, word, work.merger, tokens); });
  }
}

void BytePairEncoder::encode_word(const Vocabulary& vocabulary, std::string_view word,
                                  PairMerger& merger, std::vector<TokenId>& tokens) const {
  if (pretokenizer_.facts().whole_words_first && word.size() <= vocabulary.longest_text()) {
    if (const auto whole = vocabulary.find_plain(to_byte_alphabet(word))) {
      tokens.push_back(*whole);
      return;
    }
  }
  merger.clear();
  for (size_t i = 0; i < word.size(); ++i) {
    merger.add(uint32_t(i), 1, byte_tokens_[uint8_t(word[i])]);
  }
  merger.run([&](const MergeSymbol& left, const MergeSymbol& right) {
    return find_merge(left.token, right.token);
  });
  merger.each([&](const MergeSymbol& symbol) {
    if (symbol.token != kNoToken) {
      tokens.push_back(symbol.token);
    } else if (vocabulary.unknown()) {
      tokens.push_back(*vocabulary.unknown());
    }
  });
}

}  // namespace weft::model

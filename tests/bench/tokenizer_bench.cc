// tokenizer_bench MODEL.gguf TEXT [runs]: how many megabytes of a text one core encodes and decodes
// in a second, the median of `runs` (5), and how many tokens they are. Each run encodes the text in
// pieces of 64 KiB, as requests would bring it, so that nothing carries over from piece to piece.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace weft::model {
namespace {

constexpr size_t kPieceBytes = 64 * 1024;
constexpr size_t kTextBytesMax = 256 * 1024 * 1024;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Result<> measure(const std::string& path, const std::string& text_path, int runs) {
  WEFT_TRY(const GgufFile file, GgufFile::open(path));
  WEFT_TRY(const Tokenizer tokenizer, Tokenizer::from_gguf(file));
  WEFT_TRY(const Bytes read, read_file(text_path, kTextBytesMax));
  const std::string text(read.begin(), read.end());
  const SystemClock clock;
  std::vector<double> encode_s, decode_s;
  size_t tokens = 0;
  for (int run = 0; run < runs; ++run) {
    std::vector<std::vector<TokenId>> pieces;
    const Time begin = clock.now();
    for (size_t at = 0; at < text.size(); at += kPieceBytes) {
      pieces.push_back(tokenizer.encode(std::string_view(text).substr(at, kPieceBytes)));
    }
    const Time encoded = clock.now();
    size_t bytes = 0;
    for (const auto& piece : pieces) {
      StreamDecoder decoder(tokenizer);
      for (const TokenId token : piece) bytes += decoder.push(token).size();
    }
    const Time decoded = clock.now();
    tokens = 0;
    for (const auto& piece : pieces) tokens += piece.size();
    encode_s.push_back(to_seconds(encoded - begin));
    decode_s.push_back(to_seconds(decoded - encoded));
    if (bytes == 0) return Error(ErrorCode::kInternal, "nothing was decoded");
  }
  const double megabytes = double(text.size()) / 1e6;
  std::printf("%s: %.2f MB, %zu tokens, encode %.1f MB/s, stream decode %.1f MB/s\n", path.c_str(),
              megabytes, tokens, megabytes / median(encode_s), megabytes / median(decode_s));
  return {};
}

}  // namespace
}  // namespace weft::model

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: tokenizer_bench MODEL.gguf TEXT [runs]\n");
    return 2;
  }
  const int runs = count > 3 ? std::max(1, std::atoi(arguments[3])) : 5;
  const auto done = weft::model::measure(arguments[1], arguments[2], runs);
  if (!done.ok()) std::fprintf(stderr, "tokenizer_bench: %s\n", done.error().message.c_str());
  return done.ok() ? 0 : 1;
}

// `weft tokenize` and `weft detokenize`: text to a vocabulary's ids and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/result.h"

namespace weft::node {

inline constexpr uint64_t kTextBytesMax = 256ull * 1024 * 1024;  // of an input file

// All of standard input (path "-" or empty) or of a file. kExhausted over kTextBytesMax.
Result<std::string> read_input(const std::string& path);

// Ids between commas, spaces or brackets: "1,2,3", "[1, 2, 3]". kInvalid quotes what is no id.
Result<std::vector<TokenId>> parse_token_ids(std::string_view text);
// parse_token_ids of `text`, or of the file FILE where it is "@FILE".
Result<std::vector<TokenId>> read_token_ids(const std::string& text);

// "[1, 2, 3]"
std::string token_list(const std::vector<TokenId>& tokens);

struct TokenizeOptions {
  std::string model_path;
  std::optional<std::string> text;  // else the file, else standard input
  std::string file;
  bool no_bos = false;
  bool parse_special = false;
};
Result<> tokenize_text(const TokenizeOptions& options);

struct DetokenizeOptions {
  std::string model_path;
  std::string ids;
  std::string file;
  bool with_special = false;
  bool json = false;
};
Result<> detokenize_ids(const DetokenizeOptions& options);

}  // namespace weft::node

// `weft logits`: the logits after each token of a prompt, for comparisons with other engines.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "node/backend_choice.h"

namespace weft::node {

struct LogitsOptions {
  std::string model_path;
  std::string tokens;  // "1,2,3" or "@FILE"
  std::string out;     // float32 little-endian [token_count, vocab]
  BackendChoice backend;
  uint32_t chunk = 0;  // 0: the whole prompt at once
  std::string split;   // "4,9"; empty: one stage
  std::string kv = "f32";
  std::vector<std::string> lora = {};  // adapters, as --lora has them
};
Result<> write_logits(const LogitsOptions& options);

}  // namespace weft::node

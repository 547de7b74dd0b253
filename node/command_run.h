// `weft run`: one completion or a chat, on this machine alone or through the mesh.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/sampling.h"
#include "node/answerer.h"
#include "node/backend_choice.h"

namespace weft::node {

struct RunOptions {
  std::string model;
  std::optional<std::string> prompt;  // none: a chat in the terminal
  uint32_t max_tokens = 512;
  SamplingParams sampling;
  std::optional<uint64_t> seed;  // none: random
  std::vector<std::string> stop;
  BackendChoice backend;
  std::string grammar_file, schema_file;  // at most one: what the answer follows
  uint32_t context = 0;
  std::string kv = "f16";
  std::vector<std::string> lora;  // as --lora has them
  bool mesh = false;
  std::string dir;
  std::vector<std::string> model_dirs;
  std::string http;
  std::string api_key_file;
  bool json = false;
  bool raw = false;
};

Result<> run_model(RunOptions options);

// What --json prints.
std::string answer_json_text(const RunOptions& options, const Answer& answer, double load_s);

}  // namespace weft::node

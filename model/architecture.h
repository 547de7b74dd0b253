// An architecture as data: its name in GGUF files, the tensors of a layer with the shapes they must
// have, and how heads rotate. A family that fits is a new model/arch_*.cc and one line in the table
// of model/architecture.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "model/model.h"

namespace weft::model {

// A side of a tensor, as the config says how long it is. kNone: the tensor is a vector.
enum class Side { kNone, kHidden, kQ, kKv, kHead, kFfn, kVocab };
uint64_t side_length(const ModelConfig& config, Side side);

// One tensor of each layer: `blk.<layer>.<suffix>` goes to `member`.
struct LayerRole {
  std::string_view suffix;  // "attn_q.weight"
  const GgufTensor* LayerTensors::*member;
  Side rows;  // kNone: a vector of `cols`
  Side cols;
};

struct Architecture {
  std::string_view name;  // general.architecture, and the prefix of its metadata keys
  bool rope_interleaved;
  std::span<const LayerRole> roles;
};

extern const Architecture kLlama;  // arch_llama.cc
extern const Architecture kQwen2, kQwen3;  // arch_qwen.cc

// Null if it is unknown.
const Architecture* find_architecture(std::string_view name);
// "llama, ...", for messages.
std::string architecture_names();

// The config from the file's metadata, checked; rope.divisors are left to the tensors.
// kCorrupt or kUnsupported names the key, its value and what it may be.
Result<ModelConfig> read_config(const GgufFile& file, const Architecture& architecture);

}  // namespace weft::model

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

// Attention with q, k and v apart, and a gated feed-forward network: most families' layers.
inline constexpr LayerRole kDecoderRoles[] = {
    {"attn_norm.weight", &LayerTensors::attn_norm, Side::kNone, Side::kHidden},
    {"attn_q.weight", &LayerTensors::attn_q, Side::kQ, Side::kHidden},
    {"attn_k.weight", &LayerTensors::attn_k, Side::kKv, Side::kHidden},
    {"attn_v.weight", &LayerTensors::attn_v, Side::kKv, Side::kHidden},
    {"attn_output.weight", &LayerTensors::attn_output, Side::kHidden, Side::kQ},
    {"ffn_norm.weight", &LayerTensors::ffn_norm, Side::kNone, Side::kHidden},
    {"ffn_gate.weight", &LayerTensors::ffn_gate, Side::kFfn, Side::kHidden},
    {"ffn_up.weight", &LayerTensors::ffn_up, Side::kFfn, Side::kHidden},
    {"ffn_down.weight", &LayerTensors::ffn_down, Side::kHidden, Side::kFfn},
};

struct Architecture {
  std::string_view name;  // general.architecture, and the prefix of its metadata keys
  bool rope_interleaved;
  std::span<const LayerRole> roles;
  std::span<const LayerRole> more_roles = {};  // its own, besides
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

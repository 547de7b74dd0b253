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

// A side of a tensor, as the config says how long it is. kNone: the tensor has no such side.
enum class Side {
  kNone,
  kHidden,
  kQ,
  kKv,
  kHead,
  kHeads,
  kFfn,
  kVocab,
  kExperts,
  kExpertFfn
};
uint64_t side_length(const ModelConfig& config, Side side);  // 1 for kNone

// One tensor of each layer: `blk.<layer>.<suffix>` goes to `member`. Roles of one suffix that
// follow each other are the parts of one tensor, in the order of its rows.
struct LayerRole {
  std::string_view suffix;  // "attn_q.weight"
  const GgufTensor* LayerTensors::*member;
  Side rows;  // kNone: a vector of `cols`
  Side cols;
  Side depth = Side::kNone;  // so many such matrices
};

// Attention with q, k and v apart.
inline constexpr LayerRole kAttentionRoles[] = {
    {"attn_norm.weight", &LayerTensors::attn_norm, Side::kNone, Side::kHidden},
    {"attn_q.weight", &LayerTensors::attn_q, Side::kQ, Side::kHidden},
    {"attn_k.weight", &LayerTensors::attn_k, Side::kKv, Side::kHidden},
    {"attn_v.weight", &LayerTensors::attn_v, Side::kKv, Side::kHidden},
    {"attn_output.weight", &LayerTensors::attn_output, Side::kHidden, Side::kQ},
};
// A gated feed-forward network.
inline constexpr LayerRole kDenseRoles[] = {
    {"ffn_norm.weight", &LayerTensors::ffn_norm, Side::kNone, Side::kHidden},
    {"ffn_gate.weight", &LayerTensors::ffn_gate, Side::kFfn, Side::kHidden},
    {"ffn_up.weight", &LayerTensors::ffn_up, Side::kFfn, Side::kHidden},
    {"ffn_down.weight", &LayerTensors::ffn_down, Side::kHidden, Side::kFfn},
};
// Gated networks of which a router chooses. Source: Shazeer et al. 2017, arXiv:1701.06538.
inline constexpr LayerRole kExpertRoles[] = {
    {"ffn_norm.weight", &LayerTensors::ffn_norm, Side::kNone, Side::kHidden},
    {"ffn_gate_inp.weight", &LayerTensors::router, Side::kExperts, Side::kHidden},
    {"ffn_gate_exps.weight", &LayerTensors::experts_gate, Side::kExpertFfn, Side::kHidden,
     Side::kExperts},
    {"ffn_up_exps.weight", &LayerTensors::experts_up, Side::kExpertFfn, Side::kHidden,
     Side::kExperts},
    {"ffn_down_exps.weight", &LayerTensors::experts_down, Side::kHidden, Side::kExpertFfn,
     Side::kExperts},
};
// Of families that add to q, k and v.
inline constexpr LayerRole kBiasRoles[] = {
    {"attn_q.bias", &LayerTensors::attn_q_bias, Side::kNone, Side::kQ},
    {"attn_k.bias", &LayerTensors::attn_k_bias, Side::kNone, Side::kKv},
    {"attn_v.bias", &LayerTensors::attn_v_bias, Side::kNone, Side::kKv},
};
// Of families that rotate and compare normalized heads.
inline constexpr LayerRole kHeadNormRoles[] = {
    {"attn_q_norm.weight", &LayerTensors::attn_q_norm, Side::kNone, Side::kHead},
    {"attn_k_norm.weight", &LayerTensors::attn_k_norm, Side::kNone, Side::kHead},
};

struct Architecture {
  std::string_view name;  // general.architecture, and the prefix of its metadata keys
  bool rope_interleaved;
  std::span<const LayerRole> attention;
  std::span<const LayerRole> dense;         // empty: every model of it has experts
  std::span<const LayerRole> experts = {};  // empty: none has
  std::span<const LayerRole> more = {};     // besides
  Activation activation = Activation::kSilu;
  bool scaled_embedding = false;  // by the root of the hidden dimension
  // Where the file does not say otherwise; 0: none.
  float attention_soft_cap = 0, logit_soft_cap = 0;
  // As ModelConfig::window_period; a window that the file gives is passed over where it is 1.
  uint32_t window_period = 1;
  uint32_t window = 0;         // where the file does not say otherwise; 0: it must
  float window_rope_base = 0;  // of layers with a window, if it differs
  bool yarn_whole_dims = true;  // YaRN's range of frequencies is rounded to whole dimensions
  // A model of so many layers scales scores by the hidden dimension over heads, not the head's.
  uint32_t even_scale_layers = 0;
};

extern const Architecture kLlama;                       // arch_llama.cc
extern const Architecture kQwen2, kQwen3, kQwen3Moe;    // arch_qwen.cc
extern const Architecture kGemma2, kGemma3;             // arch_gemma.cc
extern const Architecture kPhi3;                        // arch_phi.cc
extern const Architecture kGptOss;                      // arch_gpt_oss.cc

// The dims in a file of a tensor that has these roles, one after the other.
std::vector<uint64_t> role_dims(const ModelConfig& config, std::span<const LayerRole> roles);
// Roles cut where the suffix changes: those of one tensor each.
std::vector<std::span<const LayerRole>> tensors_of(std::span<const LayerRole> roles);

// Null if it is unknown.
const Architecture* find_architecture(std::string_view name);
// "llama, ...", for messages.
std::string architecture_names();

// The config from the file's metadata, checked; divisors that are tensors are left to the model.
// kCorrupt or kUnsupported names the key, its value and what it may be.
Result<ModelConfig> read_config(const GgufFile& file, const Architecture& architecture);

}  // namespace weft::model

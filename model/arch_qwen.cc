// The dense Qwen families. qwen2: Qwen 2 and 2.5, with biases of q, k and v. qwen3: Qwen 3, with
// norms of each head of q and k. Both rotate the halves of a head against each other.
// Source: Yang et al. 2024, arXiv:2407.10671; Yang et al. 2025, arXiv:2505.09388; tensor names as
// in the GGUF specification.
#include "model/architecture.h"

namespace weft::model {
namespace {

constexpr LayerRole kQwen2Roles[] = {
    {"attn_norm.weight", &LayerTensors::attn_norm, Side::kNone, Side::kHidden},
    {"attn_q.weight", &LayerTensors::attn_q, Side::kQ, Side::kHidden},
    {"attn_k.weight", &LayerTensors::attn_k, Side::kKv, Side::kHidden},
    {"attn_v.weight", &LayerTensors::attn_v, Side::kKv, Side::kHidden},
    {"attn_q.bias", &LayerTensors::attn_q_bias, Side::kNone, Side::kQ},
    {"attn_k.bias", &LayerTensors::attn_k_bias, Side::kNone, Side::kKv},
    {"attn_v.bias", &LayerTensors::attn_v_bias, Side::kNone, Side::kKv},
    {"attn_output.weight", &LayerTensors::attn_output, Side::kHidden, Side::kQ},
    {"ffn_norm.weight", &LayerTensors::ffn_norm, Side::kNone, Side::kHidden},
    {"ffn_gate.weight", &LayerTensors::ffn_gate, Side::kFfn, Side::kHidden},
    {"ffn_up.weight", &LayerTensors::ffn_up, Side::kFfn, Side::kHidden},
    {"ffn_down.weight", &LayerTensors::ffn_down, Side::kHidden, Side::kFfn},
};

constexpr LayerRole kQwen3Roles[] = {
    {"attn_norm.weight", &LayerTensors::attn_norm, Side::kNone, Side::kHidden},
    {"attn_q.weight", &LayerTensors::attn_q, Side::kQ, Side::kHidden},
    {"attn_k.weight", &LayerTensors::attn_k, Side::kKv, Side::kHidden},
    {"attn_v.weight", &LayerTensors::attn_v, Side::kKv, Side::kHidden},
    {"attn_q_norm.weight", &LayerTensors::attn_q_norm, Side::kNone, Side::kHead},
    {"attn_k_norm.weight", &LayerTensors::attn_k_norm, Side::kNone, Side::kHead},
    {"attn_output.weight", &LayerTensors::attn_output, Side::kHidden, Side::kQ},
    {"ffn_norm.weight", &LayerTensors::ffn_norm, Side::kNone, Side::kHidden},
    {"ffn_gate.weight", &LayerTensors::ffn_gate, Side::kFfn, Side::kHidden},
    {"ffn_up.weight", &LayerTensors::ffn_up, Side::kFfn, Side::kHidden},
    {"ffn_down.weight", &LayerTensors::ffn_down, Side::kHidden, Side::kFfn},
};

}  // namespace

constexpr Architecture kQwen2 = {.name = "qwen2", .rope_interleaved = false, .roles = kQwen2Roles};
constexpr Architecture kQwen3 = {.name = "qwen3", .rope_interleaved = false, .roles = kQwen3Roles};

}  // namespace weft::model

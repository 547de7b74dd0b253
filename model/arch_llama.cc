// The llama family: Llama 2, 3, 3.1, 3.2, Mistral, SmolLM2.
// Source: Touvron et al. 2023, arXiv:2307.09288; tensor names as in the GGUF specification.
#include "model/architecture.h"

namespace weft::model {
namespace {

constexpr LayerRole kRoles[] = {
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

}  // namespace

constexpr Architecture kLlama = {.name = "llama", .rope_interleaved = true, .roles = kRoles};

}  // namespace weft::model

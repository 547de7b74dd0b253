// Phi 3, 3.5, 4 and 4-mini: q, k and v are one tensor, the two halves of the feed-forward network
// another; rotary frequencies with one set of divisors for short and one for long streams.
// Source: Abdin et al. 2024, arXiv:2404.14219; Ding et al. 2024, arXiv:2402.13753 (LongRoPE);
// tensor names as in the GGUF specification.
#include "model/architecture.h"

namespace weft::model {
namespace {

constexpr LayerRole kFusedAttention[] = {
    kAttentionRoles[0],
    {"attn_qkv.weight", &LayerTensors::attn_q, Side::kQ, Side::kHidden},
    {"attn_qkv.weight", &LayerTensors::attn_k, Side::kKv, Side::kHidden},
    {"attn_qkv.weight", &LayerTensors::attn_v, Side::kKv, Side::kHidden},
    kAttentionRoles[4],
};
constexpr LayerRole kFusedNetwork[] = {
    kDenseRoles[0],
    {"ffn_up.weight", &LayerTensors::ffn_gate, Side::kFfn, Side::kHidden},
    {"ffn_up.weight", &LayerTensors::ffn_up, Side::kFfn, Side::kHidden},
    kDenseRoles[3],
};

}  // namespace

constexpr Architecture kPhi3 = {.name = "phi3",
                                .rope_interleaved = false,
                                .attention = kFusedAttention,
                                .dense = kFusedNetwork,
                                .window_period = 0};

}  // namespace weft::model

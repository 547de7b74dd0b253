// gpt-oss: experts with biases and a clamped gate, attention with biases and sinks, a window in
// every other layer, YaRN whose range of frequencies is not rounded.
// Source: OpenAI 2025, arXiv:2508.10925; tensor names as in the GGUF specification.
#include "model/architecture.h"

namespace weft::model {
namespace {

constexpr LayerRole kExpertsWithBiases[] = {
    {"post_attention_norm.weight", &LayerTensors::ffn_norm, Side::kNone, Side::kHidden},
    kExpertRoles[1],
    kExpertRoles[2],
    kExpertRoles[3],
    kExpertRoles[4],
    {"ffn_gate_inp.bias", &LayerTensors::router_bias, Side::kNone, Side::kExperts},
    {"ffn_gate_exps.bias", &LayerTensors::experts_gate_bias, Side::kExperts, Side::kExpertFfn},
    {"ffn_up_exps.bias", &LayerTensors::experts_up_bias, Side::kExperts, Side::kExpertFfn},
    {"ffn_down_exps.bias", &LayerTensors::experts_down_bias, Side::kExperts, Side::kHidden},
};
constexpr LayerRole kBiasesAndSinks[] = {
    kBiasRoles[0],
    kBiasRoles[1],
    kBiasRoles[2],
    {"attn_output.bias", &LayerTensors::attn_output_bias, Side::kNone, Side::kHidden},
    {"attn_sinks.weight", &LayerTensors::attn_sinks, Side::kNone, Side::kHeads},
};

}  // namespace

constexpr Architecture kGptOss = {.name = "gpt-oss",
                                  .rope_interleaved = false,
                                  .attention = kAttentionRoles,
                                  .dense = {},
                                  .experts = kExpertsWithBiases,
                                  .more = kBiasesAndSinks,
                                  .activation = Activation::kClampedSilu,
                                  .window_period = 2,
                                  .yarn_whole_dims = false};

}  // namespace weft::model

// Gemma 2 and 3: norms also of what each sublayer adds, embeddings scaled up, GELU. Gemma 2 caps
// scores and logits, and every other layer has a window; Gemma 3 has norms of heads instead of
// caps, and five of six layers have a window, with a rotary base of their own.
// Source: Gemma Team 2024, arXiv:2408.00118; 2025, arXiv:2503.19786; tensor names as in the GGUF
// specification.
#include "model/architecture.h"

namespace weft::model {
namespace {

constexpr LayerRole kPostNorms[] = {
    {"post_attention_norm.weight", &LayerTensors::attn_post_norm, Side::kNone, Side::kHidden},
    {"post_ffw_norm.weight", &LayerTensors::ffn_post_norm, Side::kNone, Side::kHidden},
};
constexpr LayerRole kPostAndHeadNorms[] = {kPostNorms[0], kPostNorms[1], kHeadNormRoles[0],
                                           kHeadNormRoles[1]};

}  // namespace

constexpr Architecture kGemma2 = {.name = "gemma2",
                                  .rope_interleaved = false,
                                  .attention = kAttentionRoles,
                                  .dense = kDenseRoles,
                                  .more = kPostNorms,
                                  .activation = Activation::kGelu,
                                  .scaled_embedding = true,
                                  .attention_soft_cap = 50,
                                  .logit_soft_cap = 30,
                                  .window_period = 2,
                                  .window = 4096,
                                  .even_scale_layers = 46};
constexpr Architecture kGemma3 = {.name = "gemma3",
                                  .rope_interleaved = false,
                                  .attention = kAttentionRoles,
                                  .dense = kDenseRoles,
                                  .more = kPostAndHeadNorms,
                                  .activation = Activation::kGelu,
                                  .scaled_embedding = true,
                                  .window_period = 6,
                                  .window_rope_base = 10000,
                                  .even_scale_layers = 62};

}  // namespace weft::model

// The Qwen families. qwen2: Qwen 2 and 2.5, with biases of q, k and v. qwen3: Qwen 3, with norms of
// each head of q and k. qwen3moe: the same with experts. All rotate the halves of a head against
// each other.
// Source: Yang et al. 2024, arXiv:2407.10671; Yang et al. 2025, arXiv:2505.09388; tensor names as
// in the GGUF specification.
#include "model/architecture.h"

namespace weft::model {

constexpr Architecture kQwen2 = {.name = "qwen2",
                                 .rope_interleaved = false,
                                 .attention = kAttentionRoles,
                                 .dense = kDenseRoles,
                                 .more = kBiasRoles};
constexpr Architecture kQwen3 = {.name = "qwen3",
                                 .rope_interleaved = false,
                                 .attention = kAttentionRoles,
                                 .dense = kDenseRoles,
                                 .more = kHeadNormRoles};
constexpr Architecture kQwen3Moe = {.name = "qwen3moe",
                                    .rope_interleaved = false,
                                    .attention = kAttentionRoles,
                                    .dense = {},
                                    .experts = kExpertRoles,
                                    .more = kHeadNormRoles};

}  // namespace weft::model

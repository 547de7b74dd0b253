// The llama family: Llama 2, 3, 3.1, 3.2, Mistral (7B, Nemo, Small), Mixtral, SmolLM2, distills.
// Source: Touvron et al. 2023, arXiv:2307.09288; Jiang et al. 2024, arXiv:2401.04088 (experts);
// tensor names as in the GGUF specification.
#include "model/architecture.h"

namespace weft::model {

constexpr Architecture kLlama = {.name = "llama",
                                 .rope_interleaved = true,
                                 .attention = kAttentionRoles,
                                 .dense = kDenseRoles,
                                 .experts = kExpertRoles};

}  // namespace weft::model

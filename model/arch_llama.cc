// The llama family: Llama 2, 3, 3.1, 3.2, Mistral, SmolLM2.
// Source: Touvron et al. 2023, arXiv:2307.09288; tensor names as in the GGUF specification.
#include "model/architecture.h"

namespace weft::model {

constexpr Architecture kLlama = {.name = "llama", .rope_interleaved = true, .roles = kDecoderRoles};

}  // namespace weft::model

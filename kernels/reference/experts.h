// Mixture of experts, the yardstick. Source: Shazeer et al. 2017, arXiv:1701.06538.
#pragma once

#include <cstdint>
#include <span>

namespace weft::kernels::reference {

// A row's choice [2 used] of logits [experts], as Backend::choose_experts says. A logit that is no
// number comes last.
void choose_experts(std::span<float> choice, std::span<const float> logits);

}  // namespace weft::kernels::reference

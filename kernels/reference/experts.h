// Mixture of experts, the yardstick. Source: Shazeer et al. 2017, arXiv:1701.06538.
#pragma once

#include <span>

#include "kernels/backend.h"

namespace weft::kernels::reference {

// A row's choice [2 used] of logits [experts], as Backend::choose_experts says. A logit that is no
// number comes last.
void choose_experts(std::span<float> choice, std::span<const float> logits);

// The number of the expert that choice [rows, 2 used] has at `index` of row t's.
uint32_t chosen_expert(std::span<const float> choice, const ExpertRows& rows, uint32_t t,
                       uint32_t index);

}  // namespace weft::kernels::reference

// Operations on single values, the yardstick.
#pragma once

#include <span>

namespace weft::kernels::reference {

// out[i] = silu(gate[i]) * up[i] with silu(g) = g / (1 + exp(-g)); out may be gate.
// Source: Shazeer 2020, arXiv:2002.05202.
void swiglu(std::span<float> out, std::span<const float> gate, std::span<const float> up);

// x[i] += y[i]
void add(std::span<float> x, std::span<const float> y);

}  // namespace weft::kernels::reference

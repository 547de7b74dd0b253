// Operations on single values, the yardstick.
#pragma once

#include <span>

#include "model/model.h"

namespace weft::kernels::reference {

// out[i] = activation of gate[i] and up[i], as model::Activation says; out may be gate.
void glu(model::Activation activation, std::span<float> out, std::span<const float> gate,
         std::span<const float> up);

// x[i] = cap tanh(x[i] / cap)
void soft_cap(std::span<float> x, float cap);

// x[i] += y[i]
void add(std::span<float> x, std::span<const float> y);

}  // namespace weft::kernels::reference

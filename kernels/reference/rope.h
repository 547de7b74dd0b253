// Rotary position embedding, the yardstick.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/backend.h"

namespace weft::kernels::reference {

// Rotates the first table.dims elements of every head of x in place by its row's position:
// (a, b) -> (a cos - b sin, a sin + b cos) for each pair i of the table.
//   x          [positions.size(), heads, head_dim]
//   positions  each below the table's positions (asserted)
// Pairs are (2i, 2i+1) if the table is interleaved, else (i, i + dims/2).
// Source: Su et al. 2021, arXiv:2104.09864.
void rope(std::span<float> x, uint32_t heads, uint32_t head_dim, const RopeTable& table,
          std::span<const uint32_t> positions);

}  // namespace weft::kernels::reference

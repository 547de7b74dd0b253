// Copies of whole rows, the yardstick.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::kernels::reference {

// to[i, :] = from[indices[i], :]
//   from  [rows, cols]; every index is below rows (asserted)
//   to    [indices.size(), cols]; must not overlap from
void gather_rows(std::span<float> to, std::span<const float> from, size_t cols,
                 std::span<const uint32_t> indices);

}  // namespace weft::kernels::reference

// How a q8_0 KV cache rounds: a head's elements in blocks of 32 (the last one may be shorter), each
// with an f16 scale d and int8 codes, value = d * code. The same rule as the tensor type Q8_0.
#pragma once

#include <cstdint>
#include <span>

namespace weft::kernels {

inline constexpr uint32_t kKvBlock = 32;

// Writes the codes of one block of up to kKvBlock values and gives its scale, as f16 bits. A block
// with a value that is no finite number gets a scale that is none either.
uint16_t quantize_kv_block(std::span<const float> values, int8_t* codes);

}  // namespace weft::kernels

// f32 to the blocks of a tensor type.
//
// The K-quants and Q4_0 search for the scales with the least weighted squared error, as published
// files were made (quantize_fit.h); Q8_0, F16 and BF16 round to nearest. The other types get valid
// blocks of plausible quality, for synthetic models and tests: not by the searches that published
// files of those types are made with.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "model/tensor_type.h"

namespace weft::model {

// values.size() is a whole number of blocks, all finite; the result has tensor_bytes(type, size).
Bytes quantize(TensorType type, std::span<const float> values);
// The same into `out`, which has that size. Any thread.
void quantize_into(TensorType type, std::span<const float> values, std::span<uint8_t> out);

}  // namespace weft::model

// f32 to the blocks of a tensor type, by plain rounding to nearest: right, simple, and good enough
// for synthetic models and tests. (Published files search for better scales.)
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "model/tensor_type.h"

namespace weft::model {

// values.size() is a whole number of blocks, all finite; the result has tensor_bytes(type, size).
Bytes quantize(TensorType type, std::span<const float> values);

}  // namespace weft::model

// The quantized blocks of a file, taken apart into BlockParts and put together again, exactly.
// Source: the GGUF specification (ggml docs/gguf.md) and the block types it names.
#pragma once

#include <cstdint>

#include "kernels/cpu/panel.h"
#include "model/tensor_type.h"

namespace weft::kernels {

// Quantized types only.
void read_file_block(model::TensorType type, const uint8_t* block, BlockParts& parts);
void write_file_block(model::TensorType type, const BlockParts& parts, uint8_t* block);

}  // namespace weft::kernels

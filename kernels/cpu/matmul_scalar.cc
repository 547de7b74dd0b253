// Matrix products in plain C++, on the layouts and with the integer arithmetic of the fast paths.
#include <cstring>

#include "base/assert.h"
#include "kernels/cpu/panel.h"
#include "kernels/cpu/scalar_kernels.h"
#include "model/codebooks.h"
#include "model/tensor_type.h"

namespace weft::kernels::scalar {
namespace {

using model::TensorType;

int32_t dot(const uint8_t* codes, const int8_t* x, uint32_t count) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < count; ++i) sum += int32_t{codes[i]} * x[i];
  return sum;
}

int32_t dot_signed(const uint8_t* codes, const int8_t* x, uint32_t count) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < count; ++i) sum += int32_t{int8_t(codes[i])} * x[i];
  return sum;
}

// Codes that name values become these, as bytes.
void look_up(TensorType type, uint32_t count, uint8_t* codes) {
  const bool iq4 = type == TensorType::kIQ4_NL || type == TensorType::kIQ4_XS;
  if (!iq4 && type != TensorType::kMXFP4) return;
  const int8_t* values = iq4 ? model::kIq4Values : model::kFp4Doubled;
  for (uint32_t i = 0; i < count; ++i) codes[i] = uint8_t(values[codes[i]]);
}

float product(TensorType type, const BlockParts& parts, const ActivationBlock32& x) {
  const int32_t offset = type == TensorType::kQ4_0 ? 8 : type == TensorType::kQ5_0 ? 16 : 0;
  const int32_t sum = dot_signed(parts.codes, x.codes, 32) - offset * x.sum;
  const float d = type == TensorType::kMXFP4 ? model::e8m0_to_f32(uint8_t(parts.d)) * 0.5f
                                             : model::f16_to_f32(parts.d);
  const float product = float(sum) * (d * x.scale);
  if (type != TensorType::kQ4_1 && type != TensorType::kQ5_1) return product;
  return product + float(x.sum) * (model::f16_to_f32(parts.dmin) * x.scale);
}

float product(TensorType type, const BlockParts& parts, const ActivationBlock256& x) {
  int32_t sum = 0;
  int32_t offset = 0;
  if (type == TensorType::kQ6_K) {
    for (uint32_t s = 0; s < 16; ++s) {
      const int32_t scale = int8_t(parts.scales[s]);
      sum += scale * dot(parts.codes + 16 * s, x.codes + 16 * s, 16);
      offset += scale * x.sums16[s];
    }
    return float(sum - 32 * offset) * (model::f16_to_f32(parts.d) * x.scale);
  }
  if (type == TensorType::kIQ4_XS) {
    for (uint32_t s = 0; s < 8; ++s) {
      const int32_t scale = parts.scales[s] - 32;
      sum += scale * dot_signed(parts.codes + 32 * s, x.codes + 32 * s, 32);
    }
    return float(sum) * (model::f16_to_f32(parts.d) * x.scale);
  }
  for (uint32_t s = 0; s < 8; ++s) {
    sum += int32_t{parts.scales[s]} * dot(parts.codes + 32 * s, x.codes + 32 * s, 32);
    offset += int32_t{parts.mins[s]} * x.sums32[s];
  }
  return float(sum) * (model::f16_to_f32(parts.d) * x.scale) -
         float(offset) * (model::f16_to_f32(parts.dmin) * x.scale);
}

template <typename Block>
void matmul_blocks(TensorType type, const MatmulTile& tile, uint32_t x_rows) {
  WEFT_ASSERT(x_rows >= 1 && x_rows <= kPanelTileRows);
  const model::TensorTypeInfo& info = model::tensor_type_info(type);
  const uint32_t blocks = tile.cols / info.block_elements;
  BlockParts parts;
  for (uint32_t lane = 0; lane < kPanelRows; ++lane) {
    float sums[kPanelTileRows] = {};
    for (uint64_t b = 0; b < blocks; ++b) {
      read_panel_block(type, tile.panel + b * info.block_bytes * kPanelRows, lane, parts);
      look_up(type, info.block_elements, parts.codes);
      for (uint32_t r = 0; r < x_rows; ++r) {
        const auto* x = reinterpret_cast<const Block*>(tile.x + r * tile.x_stride);
        sums[r] += product(type, parts, x[b]);
      }
    }
    for (uint32_t r = 0; r < x_rows; ++r) tile.out[r * tile.out_stride + lane] = sums[r];
  }
}

template <typename Element, typename Convert>
void matmul_floats(const MatmulTile& tile, uint32_t x_rows, Convert convert) {
  const auto* weights = reinterpret_cast<const Element*>(tile.panel);
  for (uint32_t r = 0; r < x_rows; ++r) {
    const auto* x = reinterpret_cast<const float*>(tile.x + r * tile.x_stride);
    float sums[kPanelRows] = {};
    for (uint64_t k = 0; k < tile.cols; ++k) {
      for (uint32_t lane = 0; lane < kPanelRows; ++lane) {
        sums[lane] += x[k] * convert(weights[k * kPanelRows + lane]);
      }
    }
    std::memcpy(tile.out + r * tile.out_stride, sums, sizeof sums);
  }
}

}  // namespace

void matmul_f32(const MatmulTile& tile, uint32_t x_rows) {
  matmul_floats<float>(tile, x_rows, [](float value) { return value; });
}

void matmul_f16(const MatmulTile& tile, uint32_t x_rows) {
  matmul_floats<uint16_t>(tile, x_rows, [](uint16_t half) { return model::f16_to_f32(half); });
}

void matmul_bf16(const MatmulTile& tile, uint32_t x_rows) {
  matmul_floats<uint16_t>(tile, x_rows, [](uint16_t half) { return model::bf16_to_f32(half); });
}

void matmul_q8_0(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock32>(TensorType::kQ8_0, tile, x_rows);
}

void matmul_q4_0(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock32>(TensorType::kQ4_0, tile, x_rows);
}

void matmul_q4_1(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock32>(TensorType::kQ4_1, tile, x_rows);
}

void matmul_q5_0(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock32>(TensorType::kQ5_0, tile, x_rows);
}

void matmul_q5_1(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock32>(TensorType::kQ5_1, tile, x_rows);
}

void matmul_iq4_nl(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock32>(TensorType::kIQ4_NL, tile, x_rows);
}

void matmul_mxfp4(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock32>(TensorType::kMXFP4, tile, x_rows);
}

void matmul_iq4_xs(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock256>(TensorType::kIQ4_XS, tile, x_rows);
}

void matmul_q4_k(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock256>(TensorType::kQ4_K, tile, x_rows);
}

void matmul_q5_k(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock256>(TensorType::kQ5_K, tile, x_rows);
}

void matmul_q6_k(const MatmulTile& tile, uint32_t x_rows) {
  matmul_blocks<ActivationBlock256>(TensorType::kQ6_K, tile, x_rows);
}

}  // namespace weft::kernels::scalar

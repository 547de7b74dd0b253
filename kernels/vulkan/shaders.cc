// The shaders, compiled by glslc (CMakeLists.txt), and how many buffers each binds.
#include <algorithm>

#include "kernels/vulkan/pipelines.h"

namespace weft::kernels {
namespace {

// clang-format off
const uint32_t kAdd[] = {
#include "shaders/add.inc"
};
const uint32_t kAddExpertBias[] = {
#include "shaders/add_expert_bias.inc"
};
const uint32_t kAddExperts[] = {
#include "shaders/add_experts.inc"
};
const uint32_t kAddBias[] = {
#include "shaders/add_bias.inc"
};
const uint32_t kAppendKv[] = {
#include "shaders/append_kv.inc"
};
const uint32_t kAttention[] = {
#include "shaders/attention.inc"
};
const uint32_t kBestLogits[] = {
#include "shaders/best_logits.inc"
};
const uint32_t kChooseExperts[] = {
#include "shaders/choose_experts.inc"
};
const uint32_t kEmbed[] = {
#include "shaders/embed.inc"
};
const uint32_t kGatherRows[] = {
#include "shaders/gather_rows.inc"
};
const uint32_t kGlu[] = {
#include "shaders/glu.inc"
};
const uint32_t kGroupExperts[] = {
#include "shaders/group_experts.inc"
};
const uint32_t kMatmulBlock[] = {
#include "shaders/matmul_block.inc"
};
const uint32_t kMatmulExpertsBlock[] = {
#include "shaders/matmul_experts_block.inc"
};
const uint32_t kMatmulExpertsBlockDot[] = {
#include "shaders/matmul_experts_block_dot.inc"
};
const uint32_t kMatmulExpertsFloat[] = {
#include "shaders/matmul_experts_float.inc"
};
const uint32_t kMatmulExpertsFloatTile[] = {
#include "shaders/matmul_experts_float_tile.inc"
};
const uint32_t kMatmulExpertsTile[] = {
#include "shaders/matmul_experts_tile.inc"
};
const uint32_t kMatmulExpertsTileDot[] = {
#include "shaders/matmul_experts_tile_dot.inc"
};
const uint32_t kMatmulBlockDot[] = {
#include "shaders/matmul_block_dot.inc"
};
const uint32_t kMatmulFloat[] = {
#include "shaders/matmul_float.inc"
};
const uint32_t kMatmulFloatTile[] = {
#include "shaders/matmul_float_tile.inc"
};
const uint32_t kMatmulTile[] = {
#include "shaders/matmul_tile.inc"
};
const uint32_t kMatmulTileDot[] = {
#include "shaders/matmul_tile_dot.inc"
};
const uint32_t kMatmulPlainMatrix[] = {
#include "shaders/matmul_plain_matrix.inc"
};
#ifdef WEFT_MATRIX_SHADERS
const uint32_t kMatmulMatrix[] = {
#include "shaders/matmul_matrix.inc"
};
const uint32_t kMatrixRate[] = {
#include "shaders/matrix_rate.inc"
};
const uint32_t kMatrixRateBytes[] = {
#include "shaders/matrix_rate_bytes.inc"
};
#endif
const uint32_t kQuantize[] = {
#include "shaders/quantize.inc"
};
const uint32_t kRmsNorm[] = {
#include "shaders/rms_norm.inc"
};
const uint32_t kRope[] = {
#include "shaders/rope.inc"
};
const uint32_t kSoftCap[] = {
#include "shaders/soft_cap.inc"
};
const uint32_t kTotalWeights[] = {
#include "shaders/total_weights.inc"
};
// clang-format on

const VulkanShader kShaders[] = {
    {"add", kAdd, 2},
    {"add_bias", kAddBias, 2},
    {"add_expert_bias", kAddExpertBias, 3},
    {"add_experts", kAddExperts, 3},
    {"append_kv", kAppendKv, 4},
    {"attention", kAttention, 5},
    {"best_logits", kBestLogits, 3},
    {"choose_experts", kChooseExperts, 2},
    {"embed", kEmbed, 3},
    {"gather_rows", kGatherRows, 3},
    {"glu", kGlu, 3},
    {"group_experts", kGroupExperts, 2},
    {"matmul_block", kMatmulBlock, 3},
    {"matmul_block_dot", kMatmulBlockDot, 3},
    {"matmul_experts_block", kMatmulExpertsBlock, 4},
    {"matmul_experts_block_dot", kMatmulExpertsBlockDot, 4},
    {"matmul_experts_float", kMatmulExpertsFloat, 4},
    {"matmul_experts_float_tile", kMatmulExpertsFloatTile, 4},
    {"matmul_experts_tile", kMatmulExpertsTile, 4},
    {"matmul_experts_tile_dot", kMatmulExpertsTileDot, 4},
    {"matmul_float", kMatmulFloat, 3},
    {"matmul_float_tile", kMatmulFloatTile, 3},
    {"matmul_tile", kMatmulTile, 3},
    {"matmul_tile_dot", kMatmulTileDot, 3},
    {"matmul_plain_matrix", kMatmulPlainMatrix, 3},
#ifdef WEFT_MATRIX_SHADERS
    {"matmul_matrix", kMatmulMatrix, 3},
    {"matrix_rate", kMatrixRate, 2},
    {"matrix_rate_bytes", kMatrixRateBytes, 2},
#endif
    {"quantize", kQuantize, 2},
    {"rms_norm", kRmsNorm, 3},
    {"rope", kRope, 2},
    {"soft_cap", kSoftCap, 1},
    {"total_weights", kTotalWeights, 5},
};

}  // namespace

std::span<const VulkanShader> vulkan_shaders() {
  return kShaders;
}

bool has_matrix_shaders() {
  return std::any_of(std::begin(kShaders), std::end(kShaders),
                     [](const VulkanShader& shader) { return shader.needs_matrices(); });
}

}  // namespace weft::kernels

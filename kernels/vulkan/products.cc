// The backend's products.
#include <algorithm>
#include <array>
#include <bit>

#include "base/assert.h"
#include "kernels/vulkan/backend.h"
#include "kernels/vulkan/operands.h"

namespace weft::kernels {
namespace {

using model::TensorType;

constexpr uint32_t kQuadRows = 4;  // output rows of an invocation of a product
constexpr uint32_t kQuads = 8;     // and such invocations of its workgroup
constexpr uint32_t kRowsAtOnce = 4;
// From as many rows of x on, products are made in tiles. With fewer, reading the weights once for
// four of them costs less than a tile's walk over all columns, which no other invocations share.
constexpr uint32_t kTiledFrom = 16;
constexpr uint32_t kTilePairs = 8;  // of quads: an invocation has one
// From as many choices for each expert on, those of one are multiplied together; the shader that
// groups them counts for so many experts.
constexpr uint32_t kGroupedFrom = 4;
constexpr uint32_t kGroupedMost = 1024;
constexpr uint32_t kMatrixWide = 2;  // subgroups along the output rows

// Of the columns of a product. The same on a device whatever the batch: it is part of the order of
// sums.
uint32_t product_parts(const VulkanDevice& device) {
  return device.limits().maxComputeWorkGroupInvocations >= 256 ? 8 : 4;
}

// Columns of the activations' blocks, 1 for float weights.
uint32_t activation_block(TensorType type) {
  const uint32_t block = model::tensor_type_info(type).block_elements;
  return block == 32 || block == 256 ? block : 1;
}

// Which shader makes a product, and how much of it a workgroup makes.
struct ProductShape {
  std::string_view shader;
  std::vector<uint32_t> constants;
  uint32_t out_rows;
  uint32_t x_rows;
};
ProductShape matrix_shape(const VulkanDevice& device, TensorType type, uint32_t rows) {
  const VulkanMatrices& matrices = device.matrices();
  const MatrixShape& shape = matrices.bytes;
  // Of either factor's rows, for each subgroup: with few more matrices its registers are full.
  const uint32_t side = shape.m * shape.n < 128 ? 16 : 32;
  const uint32_t tall = rows > side ? 2 : 1;
  return {device.options().plain_shape ? "matmul_plain_matrix" : "matmul_matrix",
          {kMatrixWide * tall * matrices.subgroup, matrices.subgroup, uint32_t(type),
           product_parts(device), shape.m, shape.n, shape.k, side},
          kMatrixWide * side,
          tall * side};
}
ProductShape product_shape(const VulkanDevice& device, TensorType type, uint32_t rows) {
  const uint32_t parts = product_parts(device);
  const bool floats = activation_block(type) == 1;
  if (rows < kTiledFrom || !device.tiles()) {
    const uint32_t at_once = std::bit_ceil(std::min(rows, kRowsAtOnce));
    return {floats ? "matmul_float" : device.dots() ? "matmul_block_dot" : "matmul_block",
            {kQuads, parts, uint32_t(type), at_once}, kQuads * kQuadRows, at_once};
  }
  if (!floats && device.matrices().bytes) return matrix_shape(device, type, rows);
  // At most 128 invocations that share 16 KiB: every device has as many.
  const uint32_t lanes = std::bit_ceil(std::clamp(ceil_divide(rows, kQuadRows), 4u, 16u));
  return {floats ? "matmul_float_tile" : device.dots() ? "matmul_tile_dot" : "matmul_tile",
          {kTilePairs, lanes, uint32_t(type), parts},
          2 * kTilePairs * kQuadRows,
          lanes * kQuadRows};
}

}  // namespace

const VulkanBuffer* VulkanBackend::quantized(uint32_t block, const VulkanBuffer& x, uint32_t rows,
                                             uint32_t cols) {
  auto& buffer = block == 32 ? blocks_32_ : blocks_256_;
  const uint64_t bytes = uint64_t{rows} * (cols / block) * (block == 32 ? 48 : 336);
  if (!grown(buffer, bytes)) return nullptr;
  dispatch({"quantize", {block}, {&x, buffer.get()}, 2, {cols}, {ceil_divide(cols, 256), rows, 1}});
  return buffer.get();
}

template <typename Product>
void VulkanBackend::each_product(std::span<const MatmulTarget> targets, const Buffer& x,
                                 uint32_t rows, Product&& product) {
  const uint32_t cols = targets[0].weight->cols();
  const VulkanBuffer& from = memory_of(x, size_t{rows} * cols);
  std::array<const VulkanBuffer*, 257> prepared{};  // by block
  prepared[1] = &from;
  for (const MatmulTarget& target : targets) {
    const VulkanWeight& weight = vulkan_weight(*target.weight);
    WEFT_ASSERT(weight.cols() == cols);
    const uint32_t block = activation_block(weight.type());
    if (!prepared[block]) prepared[block] = quantized(block, from, rows, cols);
    if (!prepared[block]) return;
    for (const VulkanWeight::Part& part : weight.parts()) {
      product(*target.out, weight, part, *prepared[block], cols / block);
    }
  }
}

void VulkanBackend::matmul(std::span<const MatmulTarget> targets, const Buffer& x, uint32_t rows) {
  WEFT_ASSERT(!targets.empty());
  if (rows == 0) return;
  each_product(targets, x, rows,
               [&](Buffer& out, const VulkanWeight& weight, const VulkanWeight::Part& part,
                   const VulkanBuffer& from, uint32_t blocks) {
    const VulkanBuffer& to = memory_of(out, size_t{rows} * weight.rows());
    const ProductShape shape = product_shape(*device_, weight.type(), rows);
    dispatch({shape.shader, shape.constants, {part.buffer.get(), &from, &to}, 4,
              {part.rows, part.first, blocks, rows, weight.rows()},
              {ceil_divide(part.rows, shape.out_rows), ceil_divide(rows, shape.x_rows), 1}});
  });
}

VulkanBackend::Groups VulkanBackend::group_experts(const VulkanBuffer& choices,
                                                   const ExpertRows& rows) {
  const uint32_t count = rows.rows * rows.used;
  if (!device_->tiles() || count < kGroupedFrom * rows.experts || rows.experts > kGroupedMost) {
    return {};
  }
  // At most 64 invocations, so that their 12 KiB of shared memory leave room for the choices.
  Groups groups;
  groups.lanes = count <= 4 * kQuadRows * rows.experts ? 4 : 8;
  const uint32_t size = groups.lanes * kQuadRows;
  groups.most = std::min(rows.experts, count) + count / size;
  groups.order = 1 + 3 * groups.most;
  groups.list = grown(groups_, (uint64_t{groups.order} + count) * sizeof(uint32_t));
  if (groups.list) {
    dispatch({"group_experts", {size}, {&choices, groups.list}, 2,
              {count, rows.experts, rows.used, groups.order}, {1, 1, 1}});
  }
  return groups;
}

void VulkanBackend::matmul_experts(std::span<const MatmulTarget> targets, const Buffer& x,
                                   bool spread, const Buffer& choice, const ExpertRows& rows) {
  WEFT_ASSERT(!targets.empty());
  const uint32_t count = rows.rows * rows.used;
  if (count == 0) return;
  const uint32_t parts = product_parts(*device_);
  const VulkanBuffer& choices = memory_of(choice, size_t{2} * count);
  const Groups groups = group_experts(choices, rows);
  each_product(targets, x, spread ? count : rows.rows,
               [&](Buffer& out, const VulkanWeight& weight, const VulkanWeight::Part& part,
                   const VulkanBuffer& from, uint32_t blocks) {
    const uint32_t n = weight.rows() / rows.experts, type = uint32_t(weight.type());
    const VulkanBuffer& to = memory_of(out, size_t{count} * n);
    const bool floats = activation_block(weight.type()) == 1;
    Call call{"", {}, {part.buffer.get(), &from, groups.list, &to}, 8,
              {part.first, part.rows, n, blocks, rows.used, spread}, {}};
    if (groups.list) {
      call.shader = floats ? "matmul_experts_float_tile"
                    : device_->dots() ? "matmul_experts_tile_dot" : "matmul_experts_tile";
      call.constants = {kTilePairs, groups.lanes, type, parts};
      call.push.push_back(groups.order);
      call.groups = {ceil_divide(n, 2 * kTilePairs * kQuadRows), groups.most, 1};
    } else {
      call.shader = floats ? "matmul_experts_float"
                    : device_->dots() ? "matmul_experts_block_dot" : "matmul_experts_block";
      call.constants = {kQuads, parts, type};
      call.buffers[2] = &choices;
      call.groups = {ceil_divide(n, kQuads * kQuadRows), count, 1};
    }
    dispatch(call);
  });
}

}  // namespace weft::kernels

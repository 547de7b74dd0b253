#include "kernels/vulkan/kv_store.h"

#include "base/text.h"

namespace weft::kernels {
namespace {

// Of one key or value; kv.glsl says the same.
uint64_t words(KvType type, uint32_t head_dim) {
  switch (type) {
    case KvType::kF32: return head_dim;
    case KvType::kF16: return head_dim / 2;
    case KvType::kQ8_0: return head_dim / 32 * 9;
  }
  return head_dim;
}

}  // namespace

Result<std::unique_ptr<VulkanKvStore>> VulkanKvStore::create(const KvShape& shape,
                                                             VulkanMemory& memory) {
  const uint32_t multiple = shape.type == KvType::kQ8_0 ? 32 : 2;
  if (shape.head_dim == 0 || shape.head_dim > kVulkanHeadDimMax || shape.head_dim % multiple != 0) {
    return Error(ErrorCode::kUnsupported,
                 cat("attention heads of ", shape.head_dim, " elements; this backend takes up to ",
                     kVulkanHeadDimMax, ", in multiples of ", multiple));
  }
  std::unique_ptr<VulkanKvStore> store(new VulkanKvStore(shape));
  const uint64_t page_bytes =
      8 * uint64_t{kPageTokens} * shape.kv_head_count * words(shape.type, shape.head_dim);
  if (shape.page_count > memory.buffer_bytes_max() / page_bytes) {
    return Error(ErrorCode::kInvalid,
                 cat("a KV cache of ", uint64_t{shape.page_count} * kPageTokens,
                     " tokens is too large for one buffer of the Vulkan device; take at most ",
                     memory.buffer_bytes_max() / page_bytes * kPageTokens, " (--kv-tokens)"));
  }
  for (uint32_t i = 0; i < shape.layer_count; ++i) {
    auto layer = memory.allocate(page_bytes * shape.page_count, VulkanPlace::kDevice);
    if (!layer.ok()) return std::move(layer).within("KV cache").error();
    store->layers_.push_back(*std::move(layer));
  }
  return store;
}

}  // namespace weft::kernels

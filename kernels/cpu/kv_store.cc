#include "kernels/cpu/kv_store.h"

#include "base/text.h"
#include "kernels/cpu/kernel_table.h"

namespace weft::kernels {

Result<std::unique_ptr<CpuKvStore>> CpuKvStore::create(const KvShape& shape) {
  if (shape.head_dim == 0 || shape.head_dim > kHeadDimMax) {
    return Error(ErrorCode::kUnsupported, cat("attention heads of ", shape.head_dim,
                                              " elements; this backend takes 1 to ", kHeadDimMax));
  }
  std::unique_ptr<CpuKvStore> store(new CpuKvStore(shape));
  store->value_stride_ = (shape.head_dim + 7) / 8 * 8;
  if (shape.type == KvType::kQ8_0) {
    store->head_stride_ = quantized_page(shape.head_dim, store->value_stride_).bytes;
  } else {
    const uint64_t element = shape.type == KvType::kF32 ? 4 : 2;
    store->head_stride_ = element * kPageTokens * (shape.head_dim + store->value_stride_);
  }
  store->page_stride_ = store->head_stride_ * shape.kv_head_count;  // below 2^50
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(store->page_stride_, shape.page_count, &bytes) ||
      __builtin_mul_overflow(bytes, shape.layer_count, &bytes)) {
    return Error(ErrorCode::kExhausted,
                 "the KV cache would not fit any machine; take fewer tokens");
  }
  auto memory = MappedMemory::create(bytes);
  if (!memory.ok()) return std::move(memory).within("KV cache").error();
  store->memory_ = *std::move(memory);
  return store;
}

}  // namespace weft::kernels

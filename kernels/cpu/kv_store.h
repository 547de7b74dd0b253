// CpuKvStore: pages of keys and values in memory, laid out as the attention loops read them.
//
// [layer][page][kv head] blocks; a block holds keys as [head_dim][kPageTokens] (a vector's lane is
// a position) and then values as [kPageTokens][value_stride] (a lane is an element); for q8_0,
// codes and scales as QuantizedPage says.
#pragma once

#include <memory>

#include "kernels/cpu/mapped_memory.h"
#include "kernels/kv_cache.h"

namespace weft::kernels {

class CpuKvStore final : public KvStore {
 public:
  // kUnsupported for heads of more than kHeadDimMax elements, kExhausted without memory.
  static Result<std::unique_ptr<CpuKvStore>> create(const KvShape& shape);

  void make_resident() override { memory_.touch(); }
  uint32_t value_stride() const { return value_stride_; }
  uint64_t page_stride() const { return page_stride_; }
  // The block of one head in a page of a layer.
  uint8_t* head(uint32_t layer, uint32_t page, uint32_t kv_head) {
    return memory_.data() + offset(layer, page, kv_head);
  }
  const uint8_t* head(uint32_t layer, uint32_t page, uint32_t kv_head) const {
    return memory_.data() + offset(layer, page, kv_head);
  }

 private:
  explicit CpuKvStore(const KvShape& shape) : KvStore(shape) {}
  uint64_t offset(uint32_t layer, uint32_t page, uint32_t kv_head) const {
    return (uint64_t{layer} * shape().page_count + page) * page_stride_ + kv_head * head_stride_;
  }

  uint32_t value_stride_ = 0;
  uint64_t head_stride_ = 0;
  uint64_t page_stride_ = 0;
  MappedMemory memory_;
};

}  // namespace weft::kernels

#include "kernels/reference/kv.h"

#include <algorithm>

#include "base/assert.h"
#include "kernels/kv_quantize.h"
#include "kernels/memory.h"
#include "model/tensor_type.h"

namespace weft::kernels::reference {

Result<std::unique_ptr<Kv>> Kv::make(const KvShape& shape) {
  const size_t count =
      2 * size_t{shape.layer_count} * shape.page_count * kPageTokens * shape.kv_dim();
  auto kv = std::unique_ptr<Kv>(new Kv(shape));
  if (shape.type != KvType::kF16) {
    WEFT_TRY(kv->f32_, make_array<float>(count, "the KV cache"));
  } else {
    WEFT_TRY(kv->f16_, make_array<uint16_t>(count, "the KV cache"));
  }
  return kv;
}

size_t Kv::offset(uint32_t layer, Part part, uint32_t position, const KvRow& row) const {
  WEFT_ASSERT(layer < shape().layer_count);
  const uint32_t page = row.page_of(position);
  WEFT_ASSERT(page < shape().page_count);
  const size_t plane = size_t{layer} * 2 + size_t(part);
  const size_t slot = (plane * shape().page_count + page) * kPageTokens + position % kPageTokens;
  return slot * shape().kv_dim();
}

void Kv::put(size_t offset, std::span<const float> from) {
  WEFT_ASSERT(from.size() == shape().kv_dim());
  if (shape().type == KvType::kQ8_0) return put_rounded(offset, from);
  for (size_t i = 0; i < from.size(); ++i) {
    if (shape().type == KvType::kF32) {
      f32_[offset + i] = from[i];
    } else {
      f16_[offset + i] = model::f32_to_f16(from[i]);
    }
  }
}

void Kv::put_rounded(size_t offset, std::span<const float> from) {
  const size_t dim = shape().head_dim;
  for (size_t head = 0; head < from.size(); head += dim) {
    for (size_t begin = 0; begin < dim; begin += kKvBlock) {
      const size_t count = std::min<size_t>(kKvBlock, dim - begin);
      int8_t codes[kKvBlock];
      const float scale =
          model::f16_to_f32(quantize_kv_block(from.subspan(head + begin, count), codes));
      for (size_t i = 0; i < count; ++i) f32_[offset + head + begin + i] = scale * codes[i];
    }
  }
}

void Kv::append(uint32_t layer, const KvRow& row, std::span<const float> key,
                std::span<const float> value) {
  put(offset(layer, Part::kKey, row.position, row), key);
  put(offset(layer, Part::kValue, row.position, row), value);
}

std::vector<float> Kv::gather(uint32_t layer, Part part, const KvRow& row, uint32_t first) const {
  const size_t dim = shape().kv_dim();
  std::vector<float> gathered((size_t{row.position} - first + 1) * dim);
  float* to = gathered.data();
  for (uint32_t position = first; position <= row.position; ++position) {
    const size_t from = offset(layer, part, position, row);
    for (size_t i = 0; i < dim; ++i) {
      *to++ = shape().type == KvType::kF16 ? model::f16_to_f32(f16_[from + i]) : f32_[from + i];
    }
  }
  return gathered;
}

std::vector<float> Kv::keys(uint32_t layer, const KvRow& row, uint32_t first) const {
  return gather(layer, Part::kKey, row, first);
}

std::vector<float> Kv::values(uint32_t layer, const KvRow& row, uint32_t first) const {
  return gather(layer, Part::kValue, row, first);
}

}  // namespace weft::kernels::reference

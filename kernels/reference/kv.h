// The reference backend's KV store: plain arrays [layer][key, value][page][slot][kv_dim], in f32 or
// f16. A q8_0 store rounds as kv_quantize.h says and keeps what that gives as f32: a yardstick of
// what is computed, not of memory.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/kv_cache.h"

namespace weft::kernels::reference {

class Kv : public KvStore {
 public:
  // kExhausted if the memory is not there.
  static Result<std::unique_ptr<Kv>> make(const KvShape& shape);

  // Stores the key and value [kv_dim] of the row's position. An f16 store rounds to nearest even.
  void append(uint32_t layer, const KvRow& row, std::span<const float> key,
              std::span<const float> value);
  // The keys or values of positions first..row.position, in order: [positions, kv_dim].
  std::vector<float> keys(uint32_t layer, const KvRow& row, uint32_t first = 0) const;
  std::vector<float> values(uint32_t layer, const KvRow& row, uint32_t first = 0) const;

 private:
  enum class Part { kKey = 0, kValue = 1 };
  explicit Kv(const KvShape& shape) : KvStore(shape) {}
  size_t offset(uint32_t layer, Part part, uint32_t position, const KvRow& row) const;
  void put(size_t offset, std::span<const float> from);
  void put_rounded(size_t offset, std::span<const float> from);
  std::vector<float> gather(uint32_t layer, Part part, const KvRow& row, uint32_t first) const;

  std::vector<float> f32_;  // one of the two is empty
  std::vector<uint16_t> f16_;
};

}  // namespace weft::kernels::reference

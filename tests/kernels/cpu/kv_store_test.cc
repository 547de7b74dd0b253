#include "kernels/cpu/kv_store.h"

#include <gtest/gtest.h>

#include "kernels/cpu/kernel_table.h"

namespace weft::kernels {
namespace {

TEST(CpuKvStore, HeadsLieApartAndTogetherTakeTheShapesBytes) {
  for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0}) {
    const KvShape shape{type, 3, 2, 64, 5};
    const auto store = CpuKvStore::create(shape).value();
    const uint64_t head_bytes = shape.bytes() / (3 * 2 * 5);
    const uint8_t* expected = store->head(0, 0, 0);
    for (uint32_t layer = 0; layer < 3; ++layer) {
      for (uint32_t page = 0; page < 5; ++page) {
        for (uint32_t head = 0; head < 2; ++head, expected += head_bytes) {
          EXPECT_EQ(store->head(layer, page, head), expected);
        }
      }
    }
  }
}

TEST(CpuKvStore, RefusesHeadsItCannotHoldAndSizesThatOverflow) {
  EXPECT_EQ(CpuKvStore::create({KvType::kF16, 1, 1, kHeadDimMax + 1, 1}).error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(CpuKvStore::create({KvType::kF16, 1, 1, 0, 1}).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(CpuKvStore::create({KvType::kF32, UINT32_MAX, UINT32_MAX, kHeadDimMax, UINT32_MAX})
                .error()
                .code,
            ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::kernels

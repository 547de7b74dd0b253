#include "kernels/reference/kv.h"

#include <gtest/gtest.h>

namespace weft::kernels::reference {
namespace {

// Fills positions 0..count-1 with values that name layer, part, position and element.
void fill(Kv& kv, uint32_t layer, std::span<const uint32_t> pages, uint32_t count) {
  for (uint32_t p = 0; p < count; ++p) {
    const float base = float(layer * 1000 + p);
    const std::vector<float> key = {base, base + 0.25f}, value = {base + 0.5f, base + 0.75f};
    kv.append(layer, {p, pages}, key, value);
  }
}

TEST(ReferenceKv, PositionsComeBackInOrderWhateverPagesTheyLieIn) {
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    auto kv = Kv::make({type, 2, 1, 2, 4}).value();
    const uint32_t pages[] = {3, 0, 2};
    const uint32_t count = 2 * kPageTokens + 5;
    for (uint32_t layer : {0u, 1u}) fill(*kv, layer, pages, count);
    for (uint32_t layer : {0u, 1u}) {
      const KvRow last{count - 1, pages};
      const auto keys = kv->keys(layer, last), values = kv->values(layer, last);
      ASSERT_EQ(keys.size(), count * 2);
      for (uint32_t p = 0; p < count; ++p) {
        const float base = float(layer * 1000 + p);
        EXPECT_EQ(keys[p * 2], base);
        EXPECT_NEAR(keys[p * 2 + 1], base + 0.25f, type == KvType::kF32 ? 0 : 0.25);
        EXPECT_NEAR(values[p * 2], base + 0.5f, type == KvType::kF32 ? 0 : 0.5);
      }
    }
  }
}

TEST(ReferenceKv, TwoSessionsDoNotTouchEachOther) {
  auto kv = Kv::make({KvType::kF32, 1, 1, 2, 2}).value();
  const uint32_t first[] = {0}, second[] = {1};
  fill(*kv, 0, first, 3);
  const auto before = kv->keys(0, {2, first});
  const std::vector<float> other = {-1, -2};
  for (uint32_t p = 0; p < kPageTokens; ++p) kv->append(0, {p, second}, other, other);
  EXPECT_EQ(kv->keys(0, {2, first}), before);
}

TEST(ReferenceKv, F16RoundsToTheNearestHalf) {
  auto kv = Kv::make({KvType::kF16, 1, 1, 1, 1}).value();
  const uint32_t pages[] = {0};
  const std::vector<float> third = {1.0f / 3};
  kv->append(0, {0, pages}, third, third);
  EXPECT_EQ(kv->keys(0, {0, pages})[0], 0.333251953125f);
}

TEST(ReferenceKv, MemoryThatIsNotThereIsAnError) {
  const auto refused = Kv::make({KvType::kF32, 1u << 10, 1u << 13, 1u << 13, 1u << 20});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::kernels::reference

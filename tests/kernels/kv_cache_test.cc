#include "kernels/kv_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::kernels {
namespace {

constexpr SessionId kAlice{1}, kBob{2};

TEST(KvPages, ReservingGivesJustEnoughPagesInOrder) {
  KvPages pages(4);
  EXPECT_EQ(pages.total_tokens(), 4 * kPageTokens);
  ASSERT_TRUE(pages.reserve(kAlice, 1).ok());
  EXPECT_EQ(pages.pages(kAlice).size(), 1u);
  ASSERT_TRUE(pages.reserve(kAlice, kPageTokens).ok());
  EXPECT_EQ(pages.pages(kAlice).size(), 1u);
  ASSERT_TRUE(pages.reserve(kAlice, kPageTokens + 1).ok());
  ASSERT_EQ(pages.pages(kAlice).size(), 2u);
  EXPECT_EQ(pages.pages(kAlice)[0], 0u);
  EXPECT_EQ(pages.pages(kAlice)[1], 1u);
  EXPECT_EQ(pages.free_tokens(), 2 * kPageTokens);
}

TEST(KvPages, ReservingLessThanIsHeldTakesNothingAway) {
  KvPages pages(4);
  ASSERT_TRUE(pages.reserve(kAlice, 3 * kPageTokens).ok());
  ASSERT_TRUE(pages.reserve(kAlice, 1).ok());
  EXPECT_EQ(pages.pages(kAlice).size(), 3u);
}

TEST(KvPages, ARefusalIsExhaustedAndLeavesEverySessionAsItWas) {
  KvPages pages(3);
  ASSERT_TRUE(pages.reserve(kAlice, kPageTokens).ok());
  const auto refused = pages.reserve(kBob, 3 * kPageTokens);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(pages.session_count(), 1u);
  EXPECT_EQ(pages.free_tokens(), 2 * kPageTokens);
  EXPECT_TRUE(pages.pages(kBob).empty());
  EXPECT_TRUE(pages.reserve(kBob, 2 * kPageTokens).ok());
}

TEST(KvPages, AHugeTokenCountIsRefusedAndNotWrapped) {
  KvPages pages(3);
  EXPECT_EQ(pages.missing_pages(kAlice, UINT32_MAX), (1u << 27));
  EXPECT_FALSE(pages.reserve(kAlice, UINT32_MAX).ok());
}

TEST(KvPages, ReleasingGivesAllPagesBackAndUnknownSessionsAreIgnored) {
  KvPages pages(2);
  ASSERT_TRUE(pages.reserve(kAlice, 2 * kPageTokens).ok());
  pages.release(kBob);
  EXPECT_EQ(pages.free_tokens(), 0u);
  pages.release(kAlice);
  pages.release(kAlice);
  EXPECT_EQ(pages.free_tokens(), pages.total_tokens());
  EXPECT_EQ(pages.session_count(), 0u);
}

TEST(KvPages, ShrinkingKeepsTheFirstPages) {
  KvPages pages(4);
  ASSERT_TRUE(pages.reserve(kAlice, 4 * kPageTokens).ok());
  pages.shrink(kAlice, 2);
  ASSERT_EQ(pages.pages(kAlice).size(), 2u);
  EXPECT_EQ(pages.pages(kAlice)[1], 1u);
  EXPECT_EQ(pages.free_pages(), 2u);
}

TEST(KvPages, NoPageIsEverHeldTwiceOrLost) {
  constexpr uint32_t kPageCount = 37;
  Random random(test::test_seed(11));
  KvPages pages(kPageCount);
  uint32_t refusals = 0;
  for (int step = 0; step < 5000; ++step) {
    const SessionId session{random.below(9)};
    if (random.below(4) == 0) {
      pages.release(session);
    } else {
      refusals += !pages.reserve(session, uint32_t(random.below(12 * kPageTokens))).ok();
    }
    std::set<uint32_t> held;
    size_t held_count = 0;
    for (uint64_t s = 0; s < 9; ++s) {
      const auto of_session = pages.pages(SessionId{s});
      held.insert(of_session.begin(), of_session.end());
      held_count += of_session.size();
    }
    ASSERT_EQ(held.size(), held_count) << "a page has two holders at step " << step;
    ASSERT_EQ(held_count + pages.free_pages(), kPageCount) << "at step " << step;
  }
  EXPECT_GT(refusals, 0u) << "the walk never filled the cache";
}

TEST(KvShape, CountsKeysAndValuesOfAllLayers) {
  KvShape shape{KvType::kF16, 16, 8, 64, 2};  // Llama 3.2 1B: 32 KiB a token
  EXPECT_EQ(shape.bytes_per_token(), 32u * 1024);
  EXPECT_EQ(shape.bytes(), 32u * 1024 * 2 * kPageTokens);
  shape.type = KvType::kF32;
  EXPECT_EQ(shape.bytes_per_token(), 64u * 1024);
  shape.type = KvType::kQ8_0;
  EXPECT_EQ(shape.bytes_per_token(), 17u * 1024);  // 34 bytes for every 32 elements
}

}  // namespace
}  // namespace weft::kernels

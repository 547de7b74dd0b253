#include "kernels/slice_cache.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

namespace weft::kernels {
namespace {

constexpr SessionId kAlice{1}, kBob{2};
constexpr uint32_t kWindow = 40;

// Rows [begin, end) of one session.
BatchPlan rows_of(SessionId session, uint32_t begin, uint32_t end) {
  BatchPlan plan;
  plan.row_count = end - begin;
  for (uint32_t p = begin; p < end; ++p) plan.positions.push_back(p);
  plan.span_of_row.assign(plan.row_count, 0);
  plan.spans = {{session, begin, end}};
  return plan;
}

class SliceCacheTest : public ::testing::Test {
 protected:
  // One layer of each kind, a page of 32 tokens; a window takes 19 pages, of which there are those
  // of `streams`.
  void make(uint32_t kv_tokens, uint32_t streams) {
    model::ModelConfig config;
    config.layer_count = 2;
    config.hidden_dim = config.head_dim = 8;
    config.head_count = config.kv_head_count = 1;
    config.context_length = 1 << 20;
    config.window = kWindow;
    config.window_period = 2;
    shape_ = slice_shape(config, {.last_layer = 2, .kv_tokens = kv_tokens,
                                  .window_streams = streams}).value();
    cache_.emplace(SliceCache::allocate(*backend_, shape_, kWindow).value());
  }
  bool run(SessionId session, uint32_t begin, uint32_t end, bool computed = true) {
    const BatchPlan plan = rows_of(session, begin, end);
    if (!cache_->begin(plan).ok()) return false;
    cache_->finish(plan, computed);
    return true;
  }

  std::unique_ptr<Backend> backend_ = make_reference_backend();
  SliceShape shape_;
  std::optional<SliceCache> cache_;
};

TEST_F(SliceCacheTest, ALayerWithAWindowKeepsNoMoreThanThat) {
  make(32 * 1000, 1);
  EXPECT_EQ(shape_.window_pages, 19u);
  EXPECT_EQ(shape_.kv.page_count, 1000u);
  EXPECT_EQ(shape_.window_kv.page_count, 19u);
  EXPECT_EQ(shape_.kv.layer_count, 1u);
  EXPECT_EQ(shape_.window_kv.layer_count, 1u);
  EXPECT_EQ(shape_.kv_bytes(), 1019 * 32 * shape_.kv.bytes_per_token());
}

TEST_F(SliceCacheTest, APositionsPageIsTheSameUntilTheRingHasGoneRound) {
  make(32 * 1000, 1);
  ASSERT_TRUE(run(kAlice, 0, 500));
  ASSERT_TRUE(run(kAlice, 500, 1000));
  const BatchPlan plan = rows_of(kAlice, 1000, 1003);
  ASSERT_TRUE(cache_->begin(plan).ok());
  const auto rows = cache_->rows(plan, 0, 3);
  ASSERT_EQ(rows.windowed.size(), 3u);
  const KvRow& row = rows.windowed[1];
  EXPECT_EQ(row.position, 1001u);
  EXPECT_EQ(row.first_seen(kWindow), 1001u - kWindow + 1);
  EXPECT_EQ(row.first_page, (1000u - kWindow + 1) / 32) << "of the batch's first row";
  // The pages of the window and the row's own differ from each other.
  std::set<uint32_t> pages;
  for (uint32_t p = row.first_seen(kWindow); p <= row.position; ++p) pages.insert(row.page_of(p));
  EXPECT_EQ(pages.size(), 1001u / 32 - (1001u - kWindow + 1) / 32 + 1);
  const KvRow& whole = rows.full[1];
  EXPECT_EQ(whole.pages.size(), 32u);
  EXPECT_EQ(whole.first_page, 0u);
}

TEST_F(SliceCacheTest, AStepBackWithinABatchIsKeptAndAFarOneIsNot) {
  make(32 * 1000, 1);
  for (uint32_t begin = 0; begin < 2000; begin += 500) ASSERT_TRUE(run(kAlice, begin, begin + 500));
  EXPECT_TRUE(cache_->keeps(kAlice, 2000));
  EXPECT_TRUE(cache_->keeps(kAlice, 2000 - kWindowRowsMax)) << "a batch that failed elsewhere";
  EXPECT_FALSE(cache_->keeps(kAlice, 1000));
  EXPECT_FALSE(cache_->keeps(kAlice, 2001));
  EXPECT_TRUE(cache_->keeps(kAlice, 0)) << "anew";
  const auto refused = cache_->begin(rows_of(kAlice, 1000, 1001));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(cache_->length(kAlice), 2000u);
  // What has been written over stays gone after a step back.
  ASSERT_TRUE(run(kAlice, 1600, 1601));
  EXPECT_EQ(cache_->length(kAlice), 1601u);
  EXPECT_FALSE(cache_->keeps(kAlice, 1440));
  ASSERT_TRUE(run(kAlice, 0, 10));
  EXPECT_TRUE(cache_->keeps(kAlice, 5));
}

TEST_F(SliceCacheTest, FullWindowsAreRefusedAsAFullCacheIs) {
  make(32 * 100, 2);
  ASSERT_EQ(shape_.window_kv.page_count, 38u);
  EXPECT_TRUE(cache_->reserve(kAlice, 32 * 30).ok());
  EXPECT_TRUE(cache_->reserve(kBob, 32 * 30).ok());
  const SessionId carol{3};
  const auto full = cache_->reserve(carol, 32);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(cache_->free_tokens(), 32u * 40) << "what the other layers had taken is given back";
  EXPECT_FALSE(run(carol, 0, 1));
  cache_->release(kBob);
  EXPECT_TRUE(run(carol, 0, 1));
}

TEST_F(SliceCacheTest, AFailedBatchGivesBackWhatItTook) {
  make(32 * 100, 2);
  ASSERT_TRUE(run(kAlice, 0, 40));
  const uint32_t free = cache_->free_tokens();
  EXPECT_TRUE(run(kAlice, 40, 140, false));
  EXPECT_EQ(cache_->length(kAlice), 40u);
  EXPECT_EQ(cache_->free_tokens(), free);
  EXPECT_TRUE(run(kBob, 0, 100, false));
  EXPECT_EQ(cache_->length(kBob), 0u);
  EXPECT_EQ(cache_->free_tokens(), free);
  EXPECT_TRUE(run(kAlice, 40, 41));
}

}  // namespace
}  // namespace weft::kernels

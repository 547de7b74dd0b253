#include "mesh/fetcher.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "mesh/limits.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

constexpr size_t kChunk = transport::kPayloadBytesMax;

// A file, the holders' answers and the disk, in memory.
class FetcherTest : public ::testing::Test {
 protected:
  FetcherTest() : file_(5 * kChunk + 1000), disk_(file_.size(), 0) {
    Random random(3);
    for (uint8_t& byte : file_) byte = uint8_t(random.next());
  }
  std::vector<FetchItem> items() {
    return {{0, {0, 700}, {{0, 700}}},
            {1, {700, 3 * kChunk}, {{700, 3 * kChunk}}},
            {2, {700 + 3 * kChunk, 2 * kChunk + 300}, {{700 + 3 * kChunk, 2 * kChunk + 300}}}};
  }
  void start(std::vector<FetchItem> what, std::vector<NodeId> holders) {
    what_ = what;
    fetcher_.fetch_items(model_id(1), std::move(what), std::move(holders), now_);
  }
  // Carries effects out until nothing happens; a silent holder's requests are swallowed.
  void run() {
    for (;;) {
      const std::vector<Effect> effects = outbox_.take_effects();
      if (effects.empty()) return;
      for (const Effect& effect : effects) {
        if (const auto* send = std::get_if<Send>(&effect)) serve(*send);
        if (const auto* chunk = std::get_if<StoreChunk>(&effect)) store(*chunk);
        if (const auto* verify = std::get_if<VerifyItem>(&effect)) {
          fetcher_.on_item_verified(model_id(1), verify->item, matches(verify->item), now_);
        }
        if (const auto* manifest = std::get_if<VerifyManifest>(&effect)) {
          fetcher_.on_manifest_verified(model_id(1), manifest->manifest.file_bytes != 666, now_);
        }
        if (const auto* end = std::get_if<FetchEnded>(&effect)) ended_.push_back(end->result);
      }
    }
  }
  void serve(const Send& send) {
    if (const auto* fetch = std::get_if<transport::Fetch>(&send.message)) {
      ++requests_[send.to];
      most_ = std::max(most_, size_t(fetch->size));
      if (silent_.contains(send.to)) return;
      Bytes bytes(file_.begin() + long(fetch->offset),
                  file_.begin() + long(fetch->offset + fetch->size));
      if (liars_.contains(send.to)) bytes[0] ^= 1;
      fetcher_.on_chunk(
          send.to,
          {model_id(1), fetch->request, fetch->offset, SharedBytes::adopt(std::move(bytes)), ""},
          now_);
    } else if (std::holds_alternative<transport::ManifestRequest>(send.message)) {
      ++requests_[send.to];
      if (silent_.contains(send.to)) return;
      transport::Manifest manifest;
      manifest.model = model_id(1);
      manifest.file_bytes = liars_.contains(send.to) ? 666 : file_.size();
      fetcher_.on_manifest(send.to, manifest, now_);
    }
  }
  void store(const StoreChunk& chunk) {
    const ByteView bytes = chunk.data.view();
    stored_ += bytes.size();
    std::copy(bytes.begin(), bytes.end(), disk_.begin() + long(chunk.offset));
  }
  bool matches(uint32_t item) {
    const ByteRange range = what_[item].range;
    return std::equal(disk_.begin() + long(range.offset),
                      disk_.begin() + long(range.offset + range.size),
                      file_.begin() + long(range.offset));
  }
  void pass(Duration duration) {
    now_ = now_ + duration;
    fetcher_.tick(now_);
    run();
  }
  bool done() { return ended_.size() == 1 && ended_[0].ok(); }

  Bytes file_, disk_;
  Outbox outbox_{node_id(9)};
  Fetcher fetcher_{outbox_};
  Time now_{1};
  std::vector<FetchItem> what_;
  std::map<NodeId, int> requests_;
  std::set<NodeId> silent_, liars_;
  std::vector<Result<>> ended_;
  size_t stored_ = 0, most_ = 0;
};

TEST_F(FetcherTest, EveryHolderIsAskedAtOnceAndTheBytesAreRight) {
  start(items(), {node_id(1), node_id(2)});
  run();
  EXPECT_TRUE(done());
  EXPECT_EQ(stored_, what_[2].range.offset + what_[2].range.size);
  EXPECT_GT(requests_[node_id(1)], 0);
  EXPECT_GT(requests_[node_id(2)], 0);
  EXPECT_LE(most_, kChunk);
}

TEST_F(FetcherTest, AtMostAWindowIsOnItsWayToOneHolder) {
  silent_ = {node_id(1)};
  start(items(), {node_id(1)});
  run();
  EXPECT_EQ(requests_[node_id(1)], int(kFetchWindow));
}

TEST_F(FetcherTest, FetchResumesAfterALostHolder) {
  silent_ = {node_id(1)};
  start(items(), {node_id(1), node_id(2)});
  run();
  EXPECT_FALSE(done());
  fetcher_.on_holder_lost(node_id(1), now_);
  run();
  EXPECT_TRUE(done());
  EXPECT_TRUE(std::equal(disk_.begin(), disk_.begin() + long(stored_), file_.begin()));
}

TEST_F(FetcherTest, ASilentHoldersRequestsGoToTheOthersAfterFiveSeconds) {
  silent_ = {node_id(1)};
  start(items(), {node_id(1), node_id(2)});
  run();
  pass(kHolderSilence - milliseconds(1));
  EXPECT_FALSE(done());
  for (int i = 0; i < kHolderStrikesMax; ++i) pass(kHolderSilence);
  EXPECT_TRUE(done());
}

TEST_F(FetcherTest, WithNoHolderLeftItEndsAndSaysSo) {
  silent_ = {node_id(1)};
  start(items(), {node_id(1)});
  run();
  for (int i = 0; i < kHolderStrikesMax; ++i) pass(kHolderSilence);
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].error().code, ErrorCode::kUnavailable);
  start(items(), {});
  run();
  ASSERT_EQ(ended_.size(), 2u);
  EXPECT_FALSE(ended_[1].ok());
}

TEST_F(FetcherTest, BytesThatAreThereAlreadyAreNotAskedFor) {
  std::copy(file_.begin(), file_.begin() + long(700 + kChunk), disk_.begin());
  std::vector<FetchItem> left = items();
  left[0].missing.clear();
  left[1].missing = {{700 + kChunk, 2 * kChunk}};
  start(left, {node_id(1)});
  run();
  EXPECT_TRUE(done());
  EXPECT_EQ(stored_, 4 * kChunk + 300);
}

TEST_F(FetcherTest, ABadDigestIsFetchedAnewFromAnotherHolder) {
  liars_ = {node_id(1)};
  start(items(), {node_id(1), node_id(2)});
  run();
  EXPECT_TRUE(done());
  EXPECT_TRUE(
      std::equal(disk_.begin(), disk_.begin() + long(what_[2].range.offset), file_.begin()));
}

TEST_F(FetcherTest, IfEveryHolderLiesItEndsInABoundedNumberOfAttempts) {
  liars_ = {node_id(1)};
  start({items()[0]}, {node_id(1)});
  run();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(requests_[node_id(1)], kItemAttemptsMax);
}

TEST_F(FetcherTest, ChunksOfAWrongSizeOrFromStrangersAreNotStored) {
  silent_ = {node_id(1)};
  start({items()[0]}, {node_id(1)});
  run();
  const SharedBytes right = SharedBytes::adopt(Bytes(700));
  fetcher_.on_chunk(node_id(5), {model_id(1), 1, 0, right, ""}, now_);
  fetcher_.on_chunk(node_id(1), {model_id(2), 1, 0, right, ""}, now_);
  fetcher_.on_chunk(node_id(1), {model_id(1), 77, 0, right, ""}, now_);
  fetcher_.on_chunk(node_id(1), {model_id(1), 1, 0, SharedBytes::adopt(Bytes(699)), ""}, now_);
  run();
  EXPECT_EQ(stored_, 0u);
}

TEST_F(FetcherTest, TheManifestIsAskedOfOneHolderAfterTheOther) {
  silent_ = {node_id(1)};
  liars_ = {node_id(2)};
  fetcher_.fetch_manifest(model_id(1), {node_id(1), node_id(2), node_id(3)}, now_);
  run();
  EXPECT_EQ(requests_.size(), 1u);
  pass(kHolderSilence);
  EXPECT_EQ(requests_.size(), 3u) << "the silent one, the liar, then the third";
  EXPECT_TRUE(done());
}

TEST_F(FetcherTest, WithoutAManifestItEndsAndSaysSo) {
  liars_ = {node_id(1)};
  fetcher_.fetch_manifest(model_id(1), {node_id(1)}, now_);
  run();
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].error().code, ErrorCode::kUnavailable);
}

TEST_F(FetcherTest, ACancelledFetchIsSilent) {
  silent_ = {node_id(1)};
  start(items(), {node_id(1)});
  run();
  fetcher_.cancel();
  pass(seconds(60));
  EXPECT_TRUE(ended_.empty());
}

}  // namespace
}  // namespace weft::mesh::test

#include "transport/bundle.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::transport {
namespace {

std::vector<SharedBytes> sample_frames() {
  std::vector<SharedBytes> frames;
  for (const size_t size : {1, 24, 7, 8192, 100}) {
    frames.push_back(SharedBytes::adopt(Bytes(size, uint8_t(size))));
  }
  return frames;
}

bool same(const SharedBytes& a, const SharedBytes& b) {
  return std::equal(a.view().begin(), a.view().end(), b.view().begin(), b.view().end());
}

TEST(Bundle, FramesComeOutInOrderAlignedAndUncopied) {
  const auto frames = sample_frames();
  const SharedBytes bundle = make_bundle(frames);
  size_t size = kBundleHeadBytes;
  for (const SharedBytes& frame : frames) size += bundled_size(frame.size());
  EXPECT_EQ(bundle.size(), size);
  const auto opened = open_bundle(bundle);
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(opened->size(), frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_TRUE(same((*opened)[i], frames[i])) << i;
    EXPECT_EQ(((*opened)[i].view().data() - bundle.view().data()) % 8, 0) << i;
    EXPECT_EQ((*opened)[i].owner(), bundle.owner()) << i;
  }
}

TEST(Bundle, AMessageThatIsNoneIsItsOwnOnlyFrame) {
  for (const size_t size : {0, 3, 8, 500}) {
    const SharedBytes message = SharedBytes::adopt(Bytes(size, 'W'));
    const auto opened = open_bundle(message);
    ASSERT_TRUE(opened.ok());
    ASSERT_EQ(opened->size(), 1u);
    EXPECT_TRUE(same(opened->front(), message));
  }
}

TEST(Bundle, SizesThatDoNotFitAreRefused) {
  const SharedBytes bundle = make_bundle(sample_frames());
  for (size_t cut = 1; cut + kBundleHeadBytes <= bundle.size(); cut += 97) {
    const SharedBytes shorter(bundle.owner(), bundle.view().first(bundle.size() - cut));
    const auto opened = open_bundle(shorter);
    if (opened.ok()) {
      EXPECT_LT(opened->size(), sample_frames().size()) << cut;
    } else {
      EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
    }
  }
  Bytes huge(bundle.view().begin(), bundle.view().end());
  for (size_t i = 0; i < 8; ++i) huge[kBundleHeadBytes + i] = 0xFF;
  EXPECT_EQ(open_bundle(SharedBytes::adopt(std::move(huge))).error().code, ErrorCode::kCorrupt);
  const SharedBytes empty(bundle.owner(), bundle.view().first(kBundleHeadBytes));
  EXPECT_EQ(open_bundle(empty).error().code, ErrorCode::kCorrupt);
  const std::vector<SharedBytes> many(kBundleFramesMax + 1, SharedBytes::adopt(Bytes(1)));
  EXPECT_EQ(open_bundle(make_bundle(many)).error().code, ErrorCode::kCorrupt);
}

TEST(Bundle, MutatedBundlesNeverCrashAndStayWithinTheirBytes) {
  const uint64_t seed = test::test_seed(9);
  const SharedBytes bundle = make_bundle(sample_frames());
  int accepted = 0;
  for (uint64_t round = 0; round < 20000; ++round) {
    Random random(seed * 1'000'000 + round);
    Bytes bytes(bundle.view().begin(), bundle.view().end());
    for (uint64_t n = 1 + random.below(4); n > 0; --n) {
      bytes[kBundleHeadBytes + random.below(80)] = uint8_t(random.next());
    }
    const SharedBytes mutated = SharedBytes::adopt(std::move(bytes));
    const auto opened = open_bundle(mutated);
    if (!opened.ok()) continue;
    ++accepted;
    size_t total = 0;
    for (const SharedBytes& frame : *opened) total += bundled_size(frame.size());
    EXPECT_EQ(total + kBundleHeadBytes, mutated.size());
  }
  std::printf("seed %llu: %d of 20000 mutated bundles were still well-formed\n",
              (unsigned long long)seed, accepted);
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace weft::transport

#include "node/have_file.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/hash.h"
#include "tests/support/support.h"

namespace weft::node {
namespace {

StoredModel example() {
  StoredModel stored;
  stored.manifest.model.bytes.fill(7);
  stored.manifest.file_bytes = 123456;
  stored.manifest.header_bytes = 789;
  stored.manifest.tensors.resize(3);
  stored.manifest.tensors[1].bytes.fill(9);
  stored.manifest_digest = digest_of(stored.manifest.tensors);
  stored.name = "tiny";
  stored.have = {0, 1, 3};
  return stored;
}

TEST(HaveFile, IsReadAsItWasWritten) {
  const auto read = parse_have(have_bytes(example()));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->manifest.model, example().manifest.model);
  EXPECT_EQ(read->manifest.file_bytes, 123456u);
  EXPECT_EQ(read->manifest.header_bytes, 789u);
  EXPECT_EQ(read->manifest.tensors, example().manifest.tensors);
  EXPECT_EQ(read->manifest_digest, example().manifest_digest);
  EXPECT_EQ(read->name, "tiny");
  EXPECT_EQ(read->have, example().have);
}

TEST(HaveFile, AnyChangedByteOrLengthIsRefused) {
  const Bytes good = have_bytes(example());
  for (size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 1;
    EXPECT_EQ(parse_have(bad).error().code, ErrorCode::kCorrupt) << i;
    EXPECT_EQ(parse_have(ByteView(good).first(i)).error().code, ErrorCode::kCorrupt) << i;
  }
}

// With the sum made good again, so that the fields themselves are tested.
TEST(HaveFile, HostileFieldsAreRefusedOrHarmless) {
  Random random(test::test_seed(20));
  const Bytes good = have_bytes(example());
  for (int round = 0; round < 2000; ++round) {
    Bytes bad(good.begin(), good.end() - 32);
    if (round % 3 == 0) bad.resize(random.below(bad.size() + 8));
    for (uint64_t n = 1 + random.below(4); n > 0 && !bad.empty(); --n) {
      bad[random.below(bad.size())] = uint8_t(random.next());
    }
    const Digest sum = crypto::blake2b_256(bad);
    bad.insert(bad.end(), sum.bytes.begin(), sum.bytes.end());
    const auto read = parse_have(bad);
    if (!read.ok()) continue;
    for (const uint32_t item : read->have) EXPECT_LE(item, read->manifest.tensors.size());
  }
}

TEST(HaveFile, AnItemBeyondTheLastTensorIsRefused) {
  StoredModel stored = example();
  stored.have.insert(4);
  EXPECT_EQ(parse_have(have_bytes(stored)).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace weft::node

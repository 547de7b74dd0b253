#include "crypto/hash.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::crypto {
namespace {

Bytes counting(size_t size) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

// The known answers are those of Python's hashlib (the BLAKE2 authors' reference code).
TEST(Hash, MatchesTheKnownAnswersOfBlake2b256) {
  EXPECT_EQ(to_string(blake2b_256(ByteView())),
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(to_string(blake2b_256(as_bytes("abc"))),
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  EXPECT_EQ(to_string(blake2b_256(Bytes(1000000))),
            "0cbf381956ec0d36533b813283c85bc12142a0512ae86f59e0d4342af99010b6");
}

TEST(Hash, MatchesTheKnownAnswersWithAKey) {
  EXPECT_EQ(to_string(blake2b_256(counting(64), counting(256))),
            "1ee3b6312b4e0f0b9663b812b8c129e6d45c410b1c9c5a1667bfc6dd951db79f");
  EXPECT_EQ(to_string(blake2b_256(counting(16), as_bytes("weft/invite/server/1"))),
            "5c59bb8ab0af81b00b9fa2b2e595e0d5bf4b37b485e1bfc4e9c1393fd0fe08b2");
}

TEST(Hash, IsTheSameHoweverTheBytesAreCut) {
  Random random(test::test_seed(1));
  const Bytes bytes = counting(1000);
  const Digest whole = blake2b_256(bytes);
  for (int round = 0; round < 50; ++round) {
    Hasher hasher;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min<size_t>(random.below(300), bytes.size() - at);
      hasher.update(ByteView(bytes).subspan(at, size));
      at += size;
    }
    EXPECT_EQ(hasher.finish(), whole);
  }
}

TEST(HashDeathTest, FinishingTwiceIsAProgrammersMistake) {
  Hasher hasher;
  hasher.finish();
  EXPECT_DEATH(hasher.finish(), "finished_");
}

}  // namespace
}  // namespace weft::crypto

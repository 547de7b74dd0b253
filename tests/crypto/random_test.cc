#include "crypto/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace weft::crypto {
namespace {

TEST(CryptoRandom, DrawsNeitherRepeatNorLeaveBytesUntouched) {
  std::set<uint64_t> numbers;
  std::set<NodeId> ids;
  for (int i = 0; i < 1000; ++i) {
    numbers.insert(random_u64());
    ids.insert(random_id<NodeId>());
  }
  EXPECT_EQ(numbers.size(), 1000u);
  EXPECT_EQ(ids.size(), 1000u);
  // Each of 64 bytes takes many values over 200 draws; one left at zero would take one.
  std::array<std::set<uint8_t>, 64> seen;
  for (int draw = 0; draw < 200; ++draw) {
    const Secret<64> secret = random_secret<64>();
    for (size_t i = 0; i < seen.size(); ++i) seen[i].insert(secret.view()[i]);
  }
  for (const auto& values : seen) EXPECT_GT(values.size(), 80u);
}

}  // namespace
}  // namespace weft::crypto

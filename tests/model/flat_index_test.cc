#include "model/flat_index.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weft::model {
namespace {

TEST(FlatIndex, FindsWhatWasInsertedAndOfEqualsTheFirst) {
  FlatIndex index(1000);
  const auto key = [](uint32_t value) { return std::to_string(value % 900); };
  for (uint32_t value = 0; value < 1000; ++value) index.insert(hash_text(key(value)), value);
  for (uint32_t value = 0; value < 1000; ++value) {
    const std::string wanted = key(value);
    EXPECT_EQ(index.find(hash_text(wanted), [&](uint32_t at) { return key(at) == wanted; }),
              value % 900);
  }
  EXPECT_EQ(index.find(hash_text("none"), [](uint32_t) { return false; }), FlatIndex::kNone);
  EXPECT_EQ(FlatIndex().find(1, [](uint32_t) { return true; }), FlatIndex::kNone);
}

TEST(FlatIndex, HashesTellApartWhatDiffersInLengthOrOrder) {
  std::set<uint64_t> hashes;
  std::string zeros;
  for (int i = 0; i < 20; ++i, zeros += '\0') hashes.insert(hash_text(zeros));
  for (const char* text : {"abcdefgh", "abcdefhg", "habcdefg", "abcdefg", "abcdefgh\x01"}) {
    hashes.insert(hash_text(text));
  }
  EXPECT_EQ(hashes.size(), 25u);
  EXPECT_NE(hash_pair(1, 2), hash_pair(2, 1));
  EXPECT_NE(hash_pair(0, 1), hash_pair(1, 0));
  EXPECT_EQ(hash_pair(7, 9), hash_pair(7, 9));
}

TEST(FlatIndexDeathTest, MoreThanItsCapacityIsAProgrammersMistake) {
  FlatIndex index(1);
  index.insert(1, 1);
  EXPECT_DEATH(index.insert(2, 2), "left_");
}

}  // namespace
}  // namespace weft::model

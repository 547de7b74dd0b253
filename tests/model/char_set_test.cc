#include "model/char_set.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "tests/support/support.h"

namespace weft::model {
namespace {

std::string utf8(uint32_t code) {
  if (code < 0x80) return std::string(1, char(code));
  std::string text;
  const int tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  text += char((0xF00 >> (tail + 1) & 0xFF) | code >> 6 * tail);
  for (int i = tail - 1; i >= 0; --i) text += char(0x80 | (code >> 6 * i & 0x3F));
  return text;
}

bool contains(const CharSet& set, const std::string& bytes) {
  uint16_t place = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    place = set.step(place, uint8_t(bytes[i]));
    if (place == CharSet::kNone) return false;
    if (place == CharSet::kDone) return i + 1 == bytes.size();
  }
  return false;
}

TEST(CharSet, HasJustTheCharactersOfItsRanges) {
  const uint64_t seed = test::test_seed(7);
  Random random(seed);
  for (int round = 0; round < 40; ++round) {
    std::vector<CodeRange> ranges;
    for (int i = 0; i < 5; ++i) {
      const auto first = uint32_t(random.next() % (round % 2 ? 0x110000 : 0x900));
      ranges.push_back({first, first + uint32_t(random.next() % (round % 3 ? 300 : 70000))});
    }
    const auto normal = normalize(ranges, round % 4 == 0);
    const CharSet set(normal);
    const auto inside = [&](uint32_t code) {
      for (const CodeRange& range : normal) {
        if (code >= range.first && code <= range.last) return true;
      }
      return false;
    };
    for (uint32_t code = 0; code < 0x110000; code += code < 0x3000 ? 1 : 97) {
      if (code >= 0xD800 && code <= 0xDFFF) continue;
      ASSERT_EQ(contains(set, utf8(code)), inside(code)) << round << " " << code;
    }
    for (const CodeRange& range : normal) {
      EXPECT_TRUE(contains(set, utf8(range.first)) && contains(set, utf8(range.last)));
    }
  }
}

TEST(CharSet, AnythingIsEveryCharacterAndNoSurrogate) {
  const CharSet set(normalize({}, true));
  EXPECT_TRUE(contains(set, "a"));
  EXPECT_TRUE(contains(set, "\xF4\x8F\xBF\xBF"));
  EXPECT_FALSE(contains(set, "\xED\xA0\x80"));
  EXPECT_FALSE(contains(set, "\xC0\x80"));
  EXPECT_FALSE(contains(set, "\x80"));
}

TEST(CharSet, RangesThatTouchAreOne) {
  const auto normal = normalize({{5, 6}, {1, 3}, {4, 4}, {9, 8}}, false);
  EXPECT_EQ(normal, (std::vector<CodeRange>{{1, 6}}));
  EXPECT_EQ(normalize({{0x41, 0x41}}, true).size(), 3u);  // before, after, beyond surrogates
}

}  // namespace
}  // namespace weft::model

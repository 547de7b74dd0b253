#include "base/text.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Text, JoinsSplitsAndTrims) {
  EXPECT_EQ(cat("a", 1, 'b', 2.5), "a1b2.5");
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
  EXPECT_EQ(trim(" \t x y\n"), "x y");
  EXPECT_EQ(trim("  "), "");
}

TEST(Text, ParsesWholeNumbersAndNothingElse) {
  EXPECT_EQ(*parse_u64("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-1", "1.5", "12x", " 1", "18446744073709551616", "0x10"}) {
    EXPECT_FALSE(parse_u64(bad).ok()) << bad;
  }
}

TEST(Text, ParsesFiniteNumbers) {
  EXPECT_EQ(*parse_double("-1.5e2"), -150);
  for (const char* bad : {"", "nan", "inf", "1e999", "1,5", "1 "}) {
    EXPECT_FALSE(parse_double(bad).ok()) << bad;
  }
}

TEST(Text, ParsesAndFormatsSizes) {
  EXPECT_EQ(*parse_bytes("512"), 512u);
  EXPECT_EQ(*parse_bytes("64K"), 65536u);
  EXPECT_EQ(*parse_bytes("1.5G"), 1610612736u);
  EXPECT_EQ(*parse_bytes("2GiB"), 2147483648u);
  for (const char* bad : {"", "G", "1X", "-1G", "99999999T", "1GG"}) {
    EXPECT_FALSE(parse_bytes(bad).ok()) << bad;
  }
  EXPECT_EQ(format_bytes(17), "17 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(uint64_t(812) << 10), "812 KiB");
}

TEST(Text, KnowsWellFormedUtf8) {
  EXPECT_TRUE(is_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
  for (const char* bad : {"\x80", "\xC0\x80", "\xC3", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                          "\xE0\x80\x80", "\xF4\x90\x80\x80"}) {
    EXPECT_FALSE(is_utf8(bad)) << int(uint8_t(bad[0]));
  }
  EXPECT_EQ(utf8_complete_prefix("ab\xE2\x82"), 2u);
  EXPECT_EQ(utf8_sanitize("a\xFFz"), "a\xEF\xBF\xBDz");
}

TEST(Text, MakesNamesFromPeersHarmless) {
  EXPECT_EQ(printable("a\x1b[31m\nb"), "a?[31m?b");
  EXPECT_EQ(printable("\xC2\x9B" "31m"), "?31m");
  EXPECT_EQ(printable("\xE2\x82\xAC\xE2\x82\xAC", 4), "\xE2\x82\xAC");
}

}  // namespace
}  // namespace weft

#include "model/template/unicode.h"

#include <gtest/gtest.h>

namespace weft::model::jinja {
namespace {

TEST(Unicode, DecodesWhatItAppends) {
  for (const char32_t c : {U'a', U'\u00e9', U'\u3042', U'\U0001F389', U'\U0010FFFF'}) {
    std::string text;
    append_code_point(text, c);
    size_t offset = 0;
    EXPECT_EQ(decode_at(text, offset), c);
    EXPECT_EQ(offset, text.size());
  }
  std::string surrogate;
  append_code_point(surrogate, 0xD800);
  EXPECT_EQ(surrogate, "\uFFFD");
}

TEST(Unicode, CountsCodePointsNotBytes) {
  EXPECT_EQ(code_point_count("aé日🎉"), 4u);
  EXPECT_EQ(byte_offset("aé日🎉", 2), 3u);
  EXPECT_EQ(byte_offset("aé", 9), 3u);
  EXPECT_EQ(code_points("é日").at(1), "日");
}

TEST(Unicode, StripsPythonsWhiteSpace) {
  EXPECT_EQ(strip("\u3000 a\u00a0\u2028", Side::kBoth), "a");
  EXPECT_EQ(strip("\u200ba", Side::kBoth), "\u200ba");  // no white space to Python
  EXPECT_EQ(strip("éaé", Side::kRight, "é"), "éa");
  EXPECT_EQ(strip("   ", Side::kBoth), "");
}

TEST(Unicode, FindsTheLastOccurrence) {
  EXPECT_EQ(rfind_text("abcbc", "bc"), 3u);
  EXPECT_EQ(rfind_text("abc", ""), 3u);
  EXPECT_EQ(rfind_text("abc", "x"), std::string_view::npos);
  EXPECT_EQ(find_text("abc", "", 4), std::string_view::npos);
  EXPECT_EQ(count_text("aaaa", "aa"), 2u);
}

TEST(Unicode, SplitsLinesAtEveryKindOfEnd) {
  const auto lines = split_lines("a\r\nb\u2028c\n\nd");
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[2], "c");
  EXPECT_EQ(lines[3], "");
  EXPECT_TRUE(split_lines("").empty());
}

TEST(Unicode, ChangesCase) {
  EXPECT_EQ(to_upper("straße é"), "STRASSE É");
  EXPECT_EQ(to_lower("ÀÉ"), "àé");
  EXPECT_EQ(title("they're here-now", false), "They'Re Here-Now");
  EXPECT_EQ(title("they're (here)-now", true), "They're (Here)-Now");
}

}  // namespace
}  // namespace weft::model::jinja

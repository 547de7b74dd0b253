#include "node/text_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::node {
namespace {

using ::testing::HasSubstr;

std::string in_pieces(std::vector<std::string> stop, std::string_view text, size_t piece,
                      bool* stopped = nullptr) {
  StopMatcher matcher(std::move(stop));
  std::string out;
  for (size_t at = 0; at < text.size(); at += piece) out += matcher.push(text.substr(at, piece));
  out += matcher.finish();
  if (stopped) *stopped = matcher.stopped();
  return out;
}

TEST(StopMatcher, EndsBeforeTheStopTextWhereverTheTextIsCut) {
  const std::string text = "one two END three";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    bool stopped = false;
    EXPECT_EQ(in_pieces({"END"}, text, piece, &stopped), "one two ") << piece;
    EXPECT_TRUE(stopped);
  }
}

TEST(StopMatcher, GivesOutEverythingWhereNoStopTextComes) {
  const std::string text = "EN ENE E and EN";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    bool stopped = true;
    EXPECT_EQ(in_pieces({"END", "NED"}, text, piece, &stopped), text) << piece;
    EXPECT_FALSE(stopped);
  }
}

TEST(StopMatcher, TakesTheFirstOfSeveralThatAppearAtOnce) {
  EXPECT_EQ(in_pieces({"three", "two"}, "one two three", 13), "one ");
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBeginAStopText) {
  StopMatcher matcher({"aab"});
  EXPECT_EQ(matcher.push("xaaa"), "xa");
  EXPECT_EQ(matcher.push("c"), "aac");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, GivesNothingAfterTheEnd) {
  StopMatcher matcher({"."});
  EXPECT_EQ(matcher.push("a.b"), "a");
  EXPECT_EQ(matcher.push("c"), "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, LetsAllThroughWithoutStopTexts) {
  StopMatcher matcher({});
  EXPECT_EQ(matcher.push("abc"), "abc");
}

TEST(StopTexts, HaveANumberAndSizesWithinTheLimits) {
  EXPECT_TRUE(validate_stop_texts({}).ok());
  EXPECT_TRUE(validate_stop_texts({std::string(kStopBytesMax, 'x')}).ok());
  EXPECT_FALSE(validate_stop_texts({""}).ok());
  EXPECT_FALSE(validate_stop_texts({std::string(kStopBytesMax + 1, 'x')}).ok());
  const auto many = validate_stop_texts(std::vector<std::string>(kStopTextsMax + 1, "x"));
  ASSERT_FALSE(many.ok());
  EXPECT_EQ(many.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(many.error().message, HasSubstr("16"));
}

}  // namespace
}  // namespace weft::node

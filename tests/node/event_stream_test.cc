#include "node/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace weft::node {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> parse_in_pieces(std::string_view text, size_t piece) {
  EventParser parser;
  std::vector<std::string> events;
  for (size_t at = 0; at < text.size(); at += piece) {
    const auto taken = parser.push(text.substr(at, piece),
                                   [&](std::string_view data) { events.emplace_back(data); });
    EXPECT_TRUE(taken.ok());
  }
  return events;
}

TEST(EventParser, GivesTheSameEventsWhereverTheBytesAreCut) {
  const std::string_view text =
      ": a comment\r\n\r\nevent: x\ndata: {\"a\":1}\n\ndata:two\ndata: lines\r\n\r\n\n\ndata: "
      "[DONE]\n\n"
      "data: never ended";
  for (size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_THAT(parse_in_pieces(text, piece), ElementsAre("{\"a\":1}", "two\nlines", "[DONE]"))
        << "in pieces of " << piece;
  }
}

TEST(EventParser, KeepsAnEmptyDataLineAsAnEmptyEvent) {
  EXPECT_THAT(parse_in_pieces("data:\n\n", 3), ElementsAre(""));
}

TEST(EventParser, RefusesALineThatNeverEnds) {
  EventParser parser;
  const std::string piece(kEventBytesMax / 2, 'x');
  EXPECT_TRUE(parser.push(piece, [](std::string_view) {}).ok());
  EXPECT_TRUE(parser.push(piece, [](std::string_view) {}).ok());
  const auto third = parser.push("x", [](std::string_view) {});
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, ErrorCode::kExhausted);
}

TEST(EventParser, RefusesAnEventOfManyLinesThatNeverEnds) {
  EventParser parser;
  const std::string line = "data: " + std::string(kEventBytesMax / 2, 'x') + "\n";
  EXPECT_TRUE(parser.push(line, [](std::string_view) {}).ok());
  const auto second = parser.push(line, [](std::string_view) {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace weft::node

#include "node/terminal_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace weft::node {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// Answers with the number of messages; refuses talks of more than `most`.
class CountingAnswerer final : public Answerer {
 public:
  bool has_template() const override { return true; }
  Result<Answer> answer(const AnswerRequest& request,
                        const std::function<void(std::string_view)>& on_text) override {
    asked.push_back(request.messages);
    if (request.messages.size() > most) return Error(ErrorCode::kInvalid, "over the context");
    Answer answer;
    answer.text = "answer " + std::to_string(request.messages.size());
    answer.finish_reason = interrupt ? "interrupted" : "stop";
    on_text(answer.text);
    return answer;
  }
  size_t most = 100;
  bool interrupt = false;
  std::vector<nlohmann::ordered_json> asked;
};

struct Played {
  std::string out, notes;
  int cleared = 0;
};

Played play(CountingAnswerer& answerer, std::deque<std::string> lines) {
  Played played;
  const ChatTerminal terminal = {[&]() -> std::optional<std::string> {
                                   if (lines.empty()) return std::nullopt;
                                   std::string line = lines.front();
                                   lines.pop_front();
                                   return line;
                                 },
                                 [&](std::string_view text) { played.out += text; },
                                 [&](std::string_view text) { played.notes += text; },
                                 [&] { return answerer.interrupt; }, [&] { ++played.cleared; }};
  EXPECT_TRUE(run_chat(answerer, {}, terminal).ok());
  return played;
}

TEST(TerminalChat, SendsTheWholeTalkEachTime) {
  CountingAnswerer answerer;
  EXPECT_EQ(play(answerer, {"one", "  ", "two"}).out, "answer 1\nanswer 3\n");
  ASSERT_THAT(answerer.asked, SizeIs(2));
  EXPECT_EQ(answerer.asked[1][1]["role"], "assistant");
  EXPECT_EQ(answerer.asked[1][1]["content"], "answer 1");
  EXPECT_EQ(answerer.asked[1][2]["content"], "two");
}

TEST(TerminalChat, ForgetsAtClearAndEndsAtQuit) {
  CountingAnswerer answerer;
  EXPECT_EQ(play(answerer, {"one", "/clear", "two", "/quit", "three"}).out, "answer 1\nanswer 1\n");
}

TEST(TerminalChat, ShowsHelpForACommandThatIsNone) {
  CountingAnswerer answerer;
  EXPECT_THAT(play(answerer, {"/what"}).notes, HasSubstr("/quit"));
  EXPECT_THAT(answerer.asked, SizeIs(0));
}

TEST(TerminalChat, DropsTheOldestTurnsWithANoteWhenTheContextIsFull) {
  CountingAnswerer answerer;
  answerer.most = 3;
  const Played played = play(answerer, {"one", "two", "three"});
  EXPECT_EQ(played.out, "answer 1\nanswer 3\nanswer 3\n");
  EXPECT_THAT(played.notes, HasSubstr("the oldest 1 turn was forgotten"));
  EXPECT_EQ(answerer.asked.back()[0]["content"], "two");
}

TEST(TerminalChat, ShowsAnErrorAndForgetsTheMessageThatMadeIt) {
  CountingAnswerer answerer;
  answerer.most = 0;
  const Played played = play(answerer, {"one", "two"});
  EXPECT_THAT(played.notes, HasSubstr("weft: over the context"));
  EXPECT_THAT(answerer.asked.back(), SizeIs(1));
}

TEST(TerminalChat, GoesOnAfterAnAnswerThatCtrlCEnded) {
  CountingAnswerer answerer;
  answerer.interrupt = true;
  const Played played = play(answerer, {"one", "two"});
  EXPECT_EQ(played.cleared, 2);
  EXPECT_EQ(played.out, "answer 1\nanswer 3\n");
  EXPECT_THAT(played.notes, HasSubstr("[interrupted]"));
}

}  // namespace
}  // namespace weft::node

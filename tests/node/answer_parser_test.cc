#include "node/answer_parser.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace weft::node {
namespace {

// "text|(thought)|f{}": what comes out if the answer comes `step` bytes at a time.
std::string parts(const AnswerShape& shape, std::string_view answer, size_t step) {
  AnswerParser parser(shape);
  std::string text, thoughts, calls;
  const auto take = [&](std::vector<AnswerPart> got) {
    for (const AnswerPart& part : got) {
      if (const auto* content = std::get_if<ContentPart>(&part)) text += content->text;
      if (const auto* thought = std::get_if<ThoughtPart>(&part)) thoughts += thought->text;
      if (const auto* call = std::get_if<ToolCall>(&part)) calls += call->name + call->arguments;
    }
  };
  for (size_t at = 0; at < answer.size(); at += step) take(parser.push(answer.substr(at, step)));
  take(parser.finish());
  return cat(text, "|", thoughts, "|", calls);
}

void expect_parts(const AnswerShape& shape, std::string_view answer, const std::string& expected) {
  for (const size_t step : {1u, 2u, 3u, 7u, 1000u}) {
    EXPECT_EQ(parts(shape, answer, step), expected) << "by " << step;
  }
}

AnswerShape chat(std::optional<CallForm> calls = std::nullopt) {
  AnswerShape shape;
  shape.chat = true;
  shape.calls = calls;
  shape.tools = {"f", "g"};
  return shape;
}

TEST(AnswerParser, TextIsTextAsItCame) {
  expect_parts(AnswerShape(), "<think>a</think> <tool_call>", "<think>a</think> <tool_call>||");
  expect_parts(chat(), "  Hello <b>\n", "  Hello <b>\n||");
  expect_parts(chat(), "", "||");
  expect_parts(chat(), "<thi", "<thi||");
}

TEST(AnswerParser, ThoughtsComeApart) {
  expect_parts(chat(), "<think>\nso < 5 </thin\n</think>\n\nYes", "Yes|so < 5 </thin|");
  AnswerShape begun = chat();
  begun.thoughts_have_begun = true;
  expect_parts(begun, "so\n</think>\n\nYes", "Yes|so|");
  expect_parts(begun, "so it goes on", "|so it goes on|");
  expect_parts(chat(), "no <think>here</think>", "no <think>here</think>||");
}

TEST(AnswerParser, CallsOfHermesStandBetweenTags) {
  const AnswerShape shape = chat(CallForm::kHermes);
  expect_parts(shape,
               "Well.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>",
               "Well.||f{\"x\":1}");
  expect_parts(
      shape, "<tool_call>{\"name\": \"f\"}</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>\n",
      "||f{}g{}");
  expect_parts(shape, "<tool_call>nonsense</tool_call> x", "<tool_call>nonsense</tool_call> x||");
  expect_parts(shape, "<tool_call>{\"name\": \"unknown\"}</tool_call>",
               "<tool_call>{\"name\": \"unknown\"}</tool_call>||");
  expect_parts(shape, "a <tool b", "a <tool b||");
  expect_parts(shape, "<tool_call>{\"name\": \"f\"}", "||f{}");
}

TEST(AnswerParser, CallsOfLlamaAreTheWholeAnswer) {
  const AnswerShape shape = chat(CallForm::kLlama3);
  expect_parts(shape, "{\"name\": \"f\", \"parameters\": {\"x\": 1}}", "||f{\"x\":1}");
  expect_parts(shape, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}", "||f{}");
  expect_parts(shape, "{\"answer\": 5}", "{\"answer\": 5}||");
  expect_parts(shape, "The object {\"name\": \"f\"}", "The object {\"name\": \"f\"}||");
}

TEST(AnswerParser, CallsOfMistralFollowTheirMark) {
  const AnswerShape shape = chat(CallForm::kMistral);
  expect_parts(shape, "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}]", "||f{}");
  expect_parts(shape, "[TOOL_CALLS]f[ARGS]{\"x\": 1}", "||f{\"x\": 1}");
  expect_parts(shape, "[TOOL", "[TOOL||");
}

TEST(AnswerParser, ThoughtsMayComeBeforeACall) {
  expect_parts(chat(CallForm::kHermes),
               "<think>hm</think>\n\n<tool_call>\n{\"name\": \"f\"}\n</tool_call>", "|hm|f{}");
}

TEST(AnswerParser, ACallThatIsTooLongStaysText) {
  const std::string text = "<tool_call>" + std::string(kCallBytesMax + 10, 'x');
  EXPECT_EQ(parts(chat(CallForm::kHermes), text, 4096), text + "||");
}

}  // namespace
}  // namespace weft::node

#include "node/openai_stream.h"

#include <gtest/gtest.h>

#include "tests/support/fake_service.h"

namespace weft::node {
namespace {

SseStream stream_of(test::FakeService& service, const std::string& model, bool include_usage) {
  CompletionRequest request;
  request.model = model;
  request.prompt = "you";
  std::vector<std::unique_ptr<CompletionStream>> choices;
  choices.push_back(*service.start(request));
  return SseStream(std::move(choices), {true, "chatcmpl-1", 99, model}, include_usage);
}

std::vector<std::string> all(SseStream& stream) {
  std::vector<std::string> events;
  while (auto event = stream.next(milliseconds(1))) events.push_back(*event);
  return events;
}

TEST(SseStream, GivesTheRoleTheWordsTheFinishAndDone) {
  test::FakeService service;
  SseStream stream = stream_of(service, "fake", false);
  const auto events = all(stream);
  ASSERT_EQ(events.size(), 9u);
  EXPECT_NE(events[0].find(R"("role":"assistant")"), std::string::npos);
  EXPECT_NE(events[1].find(R"("content":"Hello")"), std::string::npos);
  EXPECT_NE(events[8].find(R"("finish_reason":"stop")"), std::string::npos);
  EXPECT_EQ(events[8].find("usage"), std::string::npos);
  EXPECT_TRUE(events[8].ends_with("\n\ndata: [DONE]\n\n"));
  EXPECT_EQ(service.live_streams, 0) << "the stages are freed at the end, not when the client left";
}

TEST(SseStream, GivesUsageBeforeDoneWhereAsked) {
  test::FakeService service;
  SseStream stream = stream_of(service, "fake", true);
  const std::string last = all(stream).back();
  EXPECT_LT(last.find(R"("total_tokens":12)"), last.find("[DONE]"));
}

TEST(SseStream, EndsWithTheErrorAlone) {
  test::FakeService service;
  SseStream stream = stream_of(service, "breaks", true);
  const std::string last = all(stream).back();
  EXPECT_TRUE(last.starts_with("data: {\"error\":"));
  EXPECT_EQ(last.find("[DONE]"), std::string::npos);
  EXPECT_EQ(service.live_streams, 0);
}

TEST(SseStream, SeveralChoicesTakeTurnsAndEndTogether) {
  test::FakeService service;
  std::vector<std::unique_ptr<CompletionStream>> choices;
  CompletionRequest request;
  request.prompt = "you";
  for (const char* model : {"fake", "fake", "fake"}) {
    request.model = model;
    choices.push_back(*service.start(request));
  }
  SseStream stream(std::move(choices), {true, "chatcmpl-1", 99, "m"}, true);
  std::string text;
  for (const std::string& events : all(stream)) text += events;
  for (const char* index : {"0", "1", "2"}) {
    size_t chunks = 0;
    const std::string mark = std::string("\"choices\":[{\"index\":") + index;
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1))
      ++chunks;
    EXPECT_EQ(chunks, 9u) << index;
  }
  EXPECT_NE(text.find(R"("completion_tokens":21)"), std::string::npos);
  EXPECT_EQ(text.find("[DONE]"), text.rfind("[DONE]"));
  EXPECT_EQ(service.live_streams, 0);
}

TEST(SseStream, SaysNothingWhileNothingComesAndEndsWhenFailed) {
  test::FakeService service;
  SseStream stream = stream_of(service, "silent", false);
  EXPECT_FALSE(stream.next(milliseconds(1))->empty());  // the role
  EXPECT_EQ(stream.next(milliseconds(1)), "");
  stream.fail(Error(ErrorCode::kUnavailable, "stopping"));
  EXPECT_EQ(service.live_streams, 0);
  stream.fail(Error(ErrorCode::kUnavailable, "again"));
  const auto rest = all(stream);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_NE(rest[0].find("stopping"), std::string::npos);
}

}  // namespace
}  // namespace weft::node

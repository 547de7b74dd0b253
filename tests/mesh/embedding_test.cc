// Sessions that are pooled into an embedding: at their head, at a stage, and in a whole mesh.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "mesh/limits.h"
#include "mesh/sessions.h"
#include "tests/mesh/stage_fixture.h"

namespace weft::mesh::test {
namespace {

using transport::Pooling;

GenerateRequest make_input(uint32_t tokens, Pooling pooling = Pooling::kMean) {
  GenerateRequest request = make_request(tokens, 0);
  request.pooling = pooling;
  return request;
}

class EmbeddingSessionTest : public ::testing::Test {
 protected:
  EmbeddingSessionTest() { sessions_.set_plan(plan_, now_); }
  SessionId open(const GenerateRequest& request) {
    const auto id = sessions_.open(request, {}, now_);
    EXPECT_TRUE(id.ok());
    return id.ok() ? *id : SessionId{};
  }
  // The last stage's word; what it causes.
  std::vector<Effect> say(SessionId id, uint32_t position, std::vector<float> embedding,
                          TokenId token = kNoToken) {
    sessions_.on_token(kSecond, {kEpoch, id, position, token, {}, std::move(embedding)}, now_);
    return outbox_.take_effects();
  }
  static const SessionEnd* end_in(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const auto* end = std::get_if<SessionEnd>(&effect)) return end;
    }
    return nullptr;
  }

  const transport::Propose plan_ = make_plan();
  Outbox outbox_{kHead};
  Sessions sessions_{outbox_, 1};
  Time now_{1};
};

TEST_F(EmbeddingSessionTest, EveryChunkSaysHowItIsPooledAndRoomIsKeptForTheInputAlone) {
  open(make_input(kPrefillChunk + 1, Pooling::kLast));
  std::vector<transport::Step> steps;
  for (const Effect& effect : outbox_.take_effects()) {
    steps.push_back(std::get<transport::Step>(std::get<Send>(effect).message));
  }
  ASSERT_EQ(steps.size(), 2u);
  for (const transport::Step& step : steps) {
    EXPECT_EQ(step.pooling, Pooling::kLast);
    EXPECT_EQ(step.reserve_tokens, kPrefillChunk + 1);
  }
  EXPECT_FALSE(steps[0].sample);
  EXPECT_TRUE(steps[1].sample);
}

TEST_F(EmbeddingSessionTest, ItsVectorEndsItAndClosesEveryStage) {
  const SessionId id = open(make_input(5));
  outbox_.take_effects();
  const auto effects = say(id, 5, {1, 2, 3, 4});
  const SessionEnd* end = end_in(effects);
  ASSERT_TRUE(end);
  ASSERT_TRUE(end->result.ok());
  EXPECT_EQ(end->embedding, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(end->usage.prompt_tokens, 5u);
  EXPECT_EQ(end->usage.completion_tokens, 0u);
  EXPECT_EQ(effects.size(), 3u) << "two Close and the end";
  EXPECT_EQ(sessions_.count(), 0u);
}

TEST_F(EmbeddingSessionTest, AVectorThatIsEarlyOrFromAnotherChangesNothing) {
  const SessionId id = open(make_input(5));
  outbox_.take_effects();
  EXPECT_FALSE(end_in(say(id, 4, {1, 2, 3, 4})));
  sessions_.on_token(kFirst, {kEpoch, id, 5, kNoToken, {}, {1, 2, 3, 4}}, now_);
  EXPECT_EQ(sessions_.count(), 1u);
  const SessionId stream = open(make_request(5, 3));
  outbox_.take_effects();
  EXPECT_FALSE(end_in(say(stream, 5, {1, 2, 3, 4}))) << "it asked for tokens";
}

TEST_F(EmbeddingSessionTest, AVectorThatIsNoneEndsItWithAnError) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::vector<float>& bad : {std::vector<float>{1, 2, 3},
                                        std::vector<float>{1, 2, 3, nan},
                                        std::vector<float>{1, 2, 3, INFINITY}}) {
    const SessionId id = open(make_input(5));
    outbox_.take_effects();
    const auto effects = say(id, 5, bad);
    ASSERT_TRUE(end_in(effects));
    EXPECT_EQ(end_in(effects)->result.error().code, ErrorCode::kInternal);
  }
  const SessionId id = open(make_input(5));
  outbox_.take_effects();
  EXPECT_TRUE(end_in(say(id, 5, {}, 7))) << "a token, of a stage that did not understand";
}

TEST_F(EmbeddingSessionTest, AnInputMayFillTheContextAndNoMore) {
  EXPECT_TRUE(sessions_.open(make_input(kContext), {}, now_).ok());
  const auto refused = sessions_.open(make_input(kContext + 1), {}, now_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("2049 tokens"), std::string::npos);
  EXPECT_FALSE(sessions_.open(make_request(kContext, 1), {}, now_).ok());
}

class EmbeddingStageTest : public StageTest {
 protected:
  explicit EmbeddingStageTest(size_t index = 0) : StageTest(index) {}
  static transport::Step pooled(transport::Step step) {
    step.pooling = Pooling::kMean;
    return step;
  }
};

TEST_F(EmbeddingStageTest, RowsGoOnWithTheirPoolingAndTheSessionIsFreedWithItsLast) {
  step(pooled(rows(1, 0, 128)));
  step(pooled(rows(1, 128, 128)));
  step(pooled(rows(1, 256, 100, true)));
  auto jobs = all<SubmitBatch>(effects());
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0].batch.sequences[0].pooling, Pooling::kMean);
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch), now_);
  const auto list = effects();
  for (const auto& sent : messages<transport::Step>(list)) {
    EXPECT_EQ(sent.pooling, Pooling::kMean);
    EXPECT_FALSE(sent.sample);
  }
  EXPECT_TRUE(all<ReleaseSession>(list).empty()) << "rows are still to come";
  jobs = all<SubmitBatch>(list);
  ASSERT_EQ(jobs.size(), 1u);
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch), now_);
  const auto end = effects();
  EXPECT_TRUE(messages<transport::Step>(end).back().sample);
  EXPECT_EQ(all<ReleaseSession>(end).size(), 1u);
  EXPECT_EQ(stage_.session_count(), 0u);
}

class LastEmbeddingStageTest : public EmbeddingStageTest {
 protected:
  LastEmbeddingStageTest() : EmbeddingStageTest(1) {}
  // The batch of a pooled input of three rows.
  SubmitBatch input() {
    transport::Step last = pooled(rows(1, 0, 3, true));
    last.tokens.clear();
    last.hidden = SharedBytes::adopt(std::vector<float>(3 * kHiddenDim, 1.0f));
    stage_.on_step(kFirst, last, now_);
    const auto jobs = all<SubmitBatch>(effects());
    EXPECT_EQ(jobs.size(), 1u);
    return jobs.at(0);
  }
};

TEST_F(LastEmbeddingStageTest, OneVectorGoesHomeWhateverTheRows) {
  const SubmitBatch job = input();
  BatchOutput out = output(job.batch);
  out.sequences[0].embedding = {1, 2, 3, 4};
  stage_.on_batch_done(job.job, out, now_);
  const auto list = effects();
  const auto tokens = messages<transport::Token>(list);
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].token, kNoToken);
  EXPECT_EQ(tokens[0].position, 3u);
  EXPECT_EQ(tokens[0].embedding, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(all<ReleaseSession>(list).size(), 1u);
}

TEST_F(LastEmbeddingStageTest, AVectorOfAWrongSizeIsRefused) {
  const SubmitBatch job = input();
  stage_.on_batch_done(job.job, output(job.batch), now_);
  const auto refused = messages<transport::Refused>(effects());
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].code, ErrorCode::kInternal);
}

void start_three(Mesh& mesh) {
  mesh.config.min_nodes = 3;
  for (const uint8_t number : {1, 2, 3}) mesh.start(number, make_profile(6, number == 1));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
}

TEST(EmbeddingMesh, ThreeNodesGiveTheVectorOfOneForEveryLength) {
  Mesh mesh;
  start_three(mesh);
  for (const uint8_t head : {1, 2, 3}) {
    for (const uint32_t tokens : {1u, 127u, 129u, 1000u, kContext}) {
      for (const Pooling pooling : {Pooling::kMean, Pooling::kLast}) {
        const GenerateRequest request = make_input(tokens, pooling);
        const Stream stream = mesh.ask(head, request);
        ASSERT_TRUE(stream.result && stream.result->ok()) << tokens;
        EXPECT_EQ(stream.embedding, expected_embedding(request)) << tokens;
      }
    }
  }
  mesh.run_for(milliseconds(20));
  for (const auto& [id, node] : mesh.nodes) EXPECT_EQ(node.compute.session_count(), 0u);
  EXPECT_TRUE(mesh.defects().empty());
}

TEST(EmbeddingMesh, AnInputOutlivesAKilledStage) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  for (const uint8_t number : {1, 2, 3}) mesh.start(number, make_profile(6, true));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  const NodeId last = mesh.view(1).plan.stages.back().node;
  const uint8_t head = last == node_id(1) ? 2 : 1;
  mesh.batch_time = milliseconds(100);
  const GenerateRequest request = make_input(1500);
  const auto id = mesh.open(head, request);
  ASSERT_TRUE(id.ok());
  mesh.run_for(milliseconds(500));
  ASSERT_FALSE(mesh.stream(head, *id).result) << "it must be under way";
  mesh.kill(last.bytes[0]);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.stream(head, *id).result.has_value(); }));
  ASSERT_TRUE(mesh.stream(head, *id).result->ok());
  EXPECT_EQ(mesh.stream(head, *id).embedding, expected_embedding(request));
}

}  // namespace
}  // namespace weft::mesh::test

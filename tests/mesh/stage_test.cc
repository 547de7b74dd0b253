#include "mesh/stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "mesh/limits.h"
#include "tests/mesh/stage_fixture.h"

namespace weft::mesh::test {
namespace {

TEST_F(StageTest, PrefillChunksFlowWhileDecodeRowsGoFirst) {
  step(rows(1, 0, 1));
  const auto running = all<SubmitBatch>(effects());
  ASSERT_EQ(running.size(), 1u);
  // While that runs, two prompts and two streams wait.
  step(rows(2, 0, 100));
  step(rows(3, 0, 100));
  step(rows(4, 0, 1));
  step(rows(5, 0, 1));
  EXPECT_TRUE(all<SubmitBatch>(effects()).empty()) << "rows gather while a batch runs";
  stage_.on_batch_done(running[0].job, output(running[0].batch), now_);
  const auto next = all<SubmitBatch>(effects());
  ASSERT_EQ(next.size(), 1u);
  std::vector<uint64_t> order;
  for (const auto& sequence : next[0].batch.sequences) order.push_back(sequence.session.value);
  EXPECT_EQ(order, (std::vector<uint64_t>{4, 5, 2, 3}));
  EXPECT_EQ(next[0].batch.row_count, 202u);
}

TEST_F(StageTest, TheRowBudgetBoundsPrefillAndCutsWhereItEnds) {
  step(rows(1, 0, 1));
  const auto running = all<SubmitBatch>(effects());
  for (uint64_t session = 10; session < 14; ++session) step(rows(session, 0, 100));
  for (uint64_t session = 100; session < 150; ++session) step(rows(session, 0, 1));
  stage_.on_batch_done(running[0].job, output(running[0].batch), now_);
  const auto next = all<SubmitBatch>(effects());
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].batch.sequences.size(), 53u);
  EXPECT_EQ(next[0].batch.row_count, 50u + kBudget);
  EXPECT_EQ(next[0].batch.sequences.back().row_count, kBudget - 200);
  EXPECT_EQ(stage_.queued_rows(), 400 - kBudget);
}

TEST_F(StageTest, ASecondBatchGoesOnlyIfItIsFullByItself) {
  step(rows(1, 0, 10));
  EXPECT_EQ(all<SubmitBatch>(effects()).size(), 1u);
  step(rows(2, 0, 128));
  EXPECT_EQ(all<SubmitBatch>(effects()).size(), 0u);
  step(rows(3, 0, 128));
  EXPECT_EQ(all<SubmitBatch>(effects()).size(), 1u);
  step(rows(4, 0, 128));
  step(rows(5, 0, 128));
  EXPECT_EQ(all<SubmitBatch>(effects()).size(), 0u) << "kJobsInFlight are under way";
}

TEST_F(StageTest, ChunksOfOnePromptAreJoinedInOrder) {
  step(rows(1, 0, 100));
  step(rows(1, 100, 100));
  step(rows(1, 200, 30, true));
  const auto jobs = all<SubmitBatch>(effects());
  ASSERT_EQ(jobs.size(), 1u);
  ASSERT_EQ(jobs[0].batch.sequences.size(), 1u);
  EXPECT_EQ(jobs[0].batch.sequences[0].row_count, 230u);
  EXPECT_EQ(jobs[0].batch.sequences[0].tokens.size(), 230u);
  EXPECT_FALSE(jobs[0].batch.sequences[0].sample) << "only the last stage draws";
  // ... but the next stage is told to.
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch), now_);
  const auto steps = messages<transport::Step>(effects());
  ASSERT_FALSE(steps.empty());
  for (size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i].sample, i + 1 == steps.size());
}

TEST_F(StageTest, ACutPromptGoesOnWhereItWasCutAndSamplesOnceAtItsEnd) {
  transport::Step prompt = rows(1, 0, 128, true);
  for (uint32_t i = 0; i < 128; ++i) prompt.tokens[i] = TokenId(i);
  step(rows(2, 0, 100));
  const auto running = all<SubmitBatch>(effects());
  step(rows(2, 100, 100));
  step(rows(2, 200, 100));
  step(prompt);
  stage_.on_batch_done(running[0].job, output(running[0].batch), now_);
  const auto first = all<SubmitBatch>(effects());
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].batch.row_count, kBudget);
  const BatchSequence& begun = first[0].batch.sequences[1];
  ASSERT_EQ(begun.row_count, kBudget - 200);
  stage_.on_batch_done(first[0].job, output(first[0].batch), now_);
  const auto list = effects();
  for (const auto& sent : messages<transport::Step>(list)) EXPECT_FALSE(sent.sample);
  const auto second = all<SubmitBatch>(list);
  ASSERT_EQ(second.size(), 1u);
  const BatchSequence& rest = second[0].batch.sequences[0];
  EXPECT_EQ(rest.session, SessionId{1});
  EXPECT_EQ(rest.first_position, begun.row_count);
  EXPECT_EQ(rest.row_count, 128 - begun.row_count);
  EXPECT_EQ(rest.tokens.front(), TokenId(begun.row_count));
  EXPECT_EQ(rest.tokens.back(), 127);
  stage_.on_batch_done(second[0].job, output(second[0].batch), now_);
  const auto sent = messages<transport::Step>(effects());
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(sent.back().sample);
}

TEST_F(StageTest, WhomABatchConcernsIsTheNextStage) {
  step(rows(1, 0, 4, true));
  const uint64_t job = all<SubmitBatch>(effects()).front().job;
  EXPECT_EQ(stage_.receivers_of(job), std::vector{kSecond});
  EXPECT_TRUE(stage_.receivers_of(job + 1).empty());
}

TEST_F(StageTest, ADuplicateStepChangesNothing) {
  step(rows(1, 0, 10));
  step(rows(1, 0, 10));
  EXPECT_EQ(stage_.queued_rows(), 10u);
  const auto jobs = all<SubmitBatch>(effects());
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch), now_);
  effects();
  step(rows(1, 0, 10));
  step(rows(1, 5, 5));
  EXPECT_TRUE(effects().empty());
  step(rows(1, 10, 1));
  EXPECT_EQ(all<SubmitBatch>(effects()).size(), 1u);
}

TEST_F(StageTest, AGapIsRefusedAndTheSessionFreed) {
  step(rows(1, 0, 10));
  effects();
  step(rows(1, 11, 1));
  const auto list = effects();
  ASSERT_EQ(messages<transport::Refused>(list).size(), 1u);
  EXPECT_EQ(messages<transport::Refused>(list)[0].code, ErrorCode::kInvalid);
  EXPECT_EQ(all<ReleaseSession>(list).size(), 1u);
  EXPECT_EQ(stage_.session_count(), 0u);
  step(rows(1, 0, 10));
  EXPECT_EQ(stage_.session_count(), 0u) << "what is over starts nothing anew";
}

TEST_F(StageTest, WrongRowsAreRefusedAndNoOneElseCanHarmASession) {
  step(rows(1, 0, 10));
  effects();
  transport::Step forged = rows(1, 10, 1);
  stage_.on_step(node_id(5), forged, now_);
  EXPECT_EQ(messages<transport::Refused>(effects()).size(), 1u);
  forged.head = node_id(5);
  stage_.on_step(node_id(5), forged, now_);
  EXPECT_EQ(messages<transport::Refused>(effects()).size(), 1u);
  stage_.on_close(node_id(5), {kEpoch, SessionId{1}});
  EXPECT_EQ(stage_.session_count(), 1u);
  transport::Step bad = rows(1, 10, 1);
  bad.tokens[0] = TokenId(kVocab);
  step(bad);
  EXPECT_EQ(stage_.session_count(), 0u) << "the head itself sent it: the session is spoilt";
}

TEST_F(StageTest, QueueFullIsRefused) {
  uint32_t position = 0;
  while (position + kPrefillChunk <= kContext) {
    step(rows(1, position, kPrefillChunk));
    position += kPrefillChunk;
  }
  uint64_t session = 2;
  while (stage_.queued_rows() + kPrefillChunk <= kQueuedRowsMax)
    step(rows(session++, 0, kPrefillChunk));
  outbox_.take_effects();
  step(rows(session, 0, kPrefillChunk));
  const auto refused = messages<transport::Refused>(outbox_.take_effects());
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].code, ErrorCode::kExhausted);
  EXPECT_LE(stage_.queued_rows(), kQueuedRowsMax);
}

TEST_F(StageTest, OneSequencesErrorEndsThatSessionAlone) {
  step(rows(1, 0, 5));
  step(rows(2, 0, 5));
  const auto jobs = all<SubmitBatch>(effects());
  BatchOutput out = output(jobs[0].batch);
  out.sequences[0].error = Error(ErrorCode::kExhausted, "no KV room");
  stage_.on_batch_done(jobs[0].job, std::move(out), now_);
  const auto list = effects();
  ASSERT_EQ(messages<transport::Refused>(list).size(), 1u);
  EXPECT_EQ(messages<transport::Refused>(list)[0].session, SessionId{1});
  EXPECT_EQ(messages<transport::Refused>(list)[0].code, ErrorCode::kExhausted);
  EXPECT_EQ(messages<transport::Step>(list).size(), 1u);
  EXPECT_EQ(stage_.session_count(), 1u);
}

TEST_F(StageTest, AFailedBatchOrOneOfAWrongShapeRefusesItsSessions) {
  step(rows(1, 0, 5));
  auto jobs = all<SubmitBatch>(effects());
  stage_.on_batch_done(jobs[0].job, Error(ErrorCode::kInternal, "out of order"), now_);
  EXPECT_EQ(messages<transport::Refused>(effects()).size(), 1u);
  step(rows(2, 0, 5));
  jobs = all<SubmitBatch>(effects());
  stage_.on_batch_done(jobs[0].job, BatchOutput{}, now_);
  EXPECT_EQ(messages<transport::Refused>(effects()).size(), 1u);
  step(rows(3, 0, 5));
  jobs = all<SubmitBatch>(effects());
  BatchOutput out = output(jobs[0].batch);
  out.sequences[0].hidden = SharedBytes::adopt(Bytes(12));
  stage_.on_batch_done(jobs[0].job, std::move(out), now_);
  EXPECT_EQ(messages<transport::Refused>(effects()).size(), 1u);
  EXPECT_EQ(stage_.session_count(), 0u);
}

TEST_F(StageTest, ACloseFreesTheSessionAndLateResultsAreIgnored) {
  step(rows(1, 0, 5));
  const auto jobs = all<SubmitBatch>(effects());
  step(rows(1, 5, 5));
  stage_.on_close(kHead, {kEpoch, SessionId{1}});
  EXPECT_EQ(all<ReleaseSession>(effects()).size(), 1u);
  EXPECT_EQ(stage_.queued_rows(), 0u);
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch), now_);
  EXPECT_TRUE(effects().empty());
  step(rows(1, 0, 5));
  EXPECT_TRUE(effects().empty()) << "rows that a Close overtook";
}

TEST_F(StageTest, AnIdleSessionIsFreedOnceNoHeadCanWaitForItAnyMore) {
  step(rows(1, 0, 5));
  const auto jobs = all<SubmitBatch>(effects());
  stage_.tick(now_ + kStageIdleMax);
  EXPECT_EQ(stage_.session_count(), 1u) << "a batch of it runs";
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch), now_);
  stage_.tick(now_ + (kStageIdleMax - milliseconds(1)));
  EXPECT_EQ(stage_.session_count(), 1u);
  stage_.tick(now_ + kStageIdleMax);
  EXPECT_EQ(stage_.session_count(), 0u);
}

TEST_F(StageTest, ANewPlanFreesWhatTheOldOneHeld) {
  step(rows(1, 0, 5));
  const auto jobs = all<SubmitBatch>(effects());
  step(rows(2, 0, 5));
  stage_.start(make_plan(), 0);
  EXPECT_EQ(all<ReleaseSession>(effects()).size(), 2u);
  EXPECT_EQ(stage_.queued_rows(), 0u);
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch), now_);
  EXPECT_TRUE(effects().empty());
}

class LastStageTest : public StageTest {
 protected:
  LastStageTest() : StageTest(1) {}
  transport::Step hidden_rows(uint32_t first, uint32_t count, bool sample) {
    transport::Step message = rows(1, first, count, sample);
    message.tokens.clear();
    message.hidden = SharedBytes::adopt(std::vector<float>(count * kHiddenDim, 1.0f));
    return message;
  }
};

TEST_F(LastStageTest, ATokenGoesHomeAndAPromptsProgressIsReported) {
  stage_.on_step(kFirst, hidden_rows(0, 10, false), now_);
  auto jobs = all<SubmitBatch>(effects());
  BatchOutput out;
  out.sequences.resize(1);
  stage_.on_batch_done(jobs[0].job, out, now_);
  auto tokens = messages<transport::Token>(effects());
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].token, kNoToken);
  EXPECT_EQ(tokens[0].position, 10u);

  stage_.on_step(kFirst, hidden_rows(10, 1, true), now_);
  jobs = all<SubmitBatch>(effects());
  EXPECT_TRUE(jobs[0].batch.sequences[0].sample);
  out.sequences[0].token = 42;
  stage_.on_batch_done(jobs[0].job, out, now_);
  tokens = messages<transport::Token>(effects());
  ASSERT_EQ(tokens.size(), 1u);
  EXPECT_EQ(tokens[0].token, 42);
  EXPECT_EQ(tokens[0].position, 11u);
}

TEST_F(LastStageTest, WhomABatchConcernsAreTheHeadsAndTheFirstStageButNotItself) {
  stage_.on_step(kFirst, hidden_rows(0, 1, true), now_);
  transport::Step own = hidden_rows(0, 1, true);
  own.session = SessionId{2};
  own.head = kSecond;
  stage_.on_step(kFirst, own, now_);
  const uint64_t job = all<SubmitBatch>(effects()).front().job;
  EXPECT_EQ(stage_.receivers_of(job), (std::vector{kFirst, kHead}));
  stage_.on_close(kHead, {kEpoch, SessionId{1}});
  EXPECT_EQ(stage_.receivers_of(job), std::vector{kFirst});
}

TEST_F(LastStageTest, ActivationsThatAreCutStayInOrderAndAreNotCopied) {
  std::vector<float> values(100 * kHiddenDim);
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(i / kHiddenDim);
  transport::Step prompt = hidden_rows(0, 100, false);
  prompt.hidden = SharedBytes::adopt(std::move(values));
  const uint8_t* const first_row = prompt.hidden.view().data();
  stage_.on_step(kFirst, hidden_rows(0, 1, true), now_);
  auto jobs = all<SubmitBatch>(effects());
  stage_.on_close(kHead, {kEpoch, SessionId{1}});
  prompt.session = SessionId{3};
  for (uint32_t session = 10; session < 12; ++session) {
    transport::Step other = hidden_rows(0, 100, false);
    other.session = SessionId{session};
    stage_.on_step(kFirst, std::move(other), now_);
  }
  stage_.on_step(kFirst, std::move(prompt), now_);
  BatchOutput out;
  out.sequences.resize(1);
  stage_.on_batch_done(jobs[0].job, out, now_);
  jobs = all<SubmitBatch>(effects());
  ASSERT_EQ(jobs.size(), 1u);
  const BatchSequence& cut = jobs[0].batch.sequences.back();
  ASSERT_EQ(cut.row_count, kBudget - 200);
  ASSERT_EQ(cut.hidden.size(), 1u);
  EXPECT_EQ(cut.hidden[0].view().data(), first_row);
  EXPECT_EQ(cut.hidden[0].floats().back(), float(kBudget - 201));
  out.sequences.resize(3);
  stage_.on_batch_done(jobs[0].job, out, now_);
  jobs = all<SubmitBatch>(effects());
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0].batch.sequences[0].hidden[0].floats().front(), float(kBudget - 200));
}

TEST_F(LastStageTest, ATokenBeyondTheVocabularyIsADefectThatIsSaid) {
  stage_.on_step(kFirst, hidden_rows(0, 1, true), now_);
  const auto jobs = all<SubmitBatch>(effects());
  BatchOutput out;
  out.sequences.resize(1);
  out.sequences[0].token = TokenId(kVocab);
  stage_.on_batch_done(jobs[0].job, out, now_);
  EXPECT_EQ(messages<transport::Refused>(effects()).size(), 1u);
}

class WideStageTest : public StageTest {
 protected:
  static constexpr uint32_t kWide = 4096;  // 15 rows to a frame
  WideStageTest() : StageTest(0, kWide) {}
};

TEST_F(WideStageTest, ActivationsAreSplitToFitFramesAndStayInOrder) {
  step(rows(1, 0, 128, true));
  const auto jobs = all<SubmitBatch>(effects());
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch, kWide), now_);
  const auto steps = messages<transport::Step>(effects());
  EXPECT_EQ(steps.size(), 9u);
  uint32_t next = 0;
  for (const transport::Step& part : steps) {
    EXPECT_EQ(part.first_position, next);
    EXPECT_EQ(part.hidden.size(), size_t{part.token_count} * kWide * sizeof(float));
    EXPECT_LE(part.hidden.size(), transport::kPayloadBytesMax);
    next += part.token_count;
  }
  EXPECT_EQ(next, 128u);
  EXPECT_TRUE(steps.back().sample);
}

TEST_F(WideStageTest, AGrammarHasItsRoomInTheFrame) {
  transport::Step prompt = rows(1, 0, 128, true);
  prompt.sampling.constrained = true;
  prompt.sampling.grammar = std::make_shared<const std::string>(kGrammarBytesMax, 'x');
  prompt.sampling.drawn.assign(kDrawnMax, 1);
  step(prompt);
  const auto jobs = all<SubmitBatch>(effects());
  stage_.on_batch_done(jobs[0].job, output(jobs[0].batch, kWide), now_);
  const auto steps = messages<transport::Step>(effects());
  for (const transport::Step& part : steps) {
    const size_t beside = grammar_bytes(part.sampling);
    EXPECT_LE(part.hidden.size() + beside, transport::kPayloadBytesMax);
    EXPECT_EQ(beside > 0, part.sample);
  }
  EXPECT_EQ(steps.back().sampling.drawn.size(), kDrawnMax);
}

}  // namespace
}  // namespace weft::mesh::test

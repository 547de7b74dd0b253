// A stage while streams decode: prompts that ride along, and groups.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "mesh/limits.h"
#include "tests/mesh/stage_fixture.h"

namespace weft::mesh::test {
namespace {

// Streams 1 to 4 decode, and a prompt comes.
class BusyStageTest : public StageTest {
 protected:
  static constexpr Duration kStep = milliseconds(40), kRow = milliseconds(4);

  void SetUp() override {
    transport::Propose plan = make_plan();
    plan.stages = {{kFirst, 0, 2}};
    stage_.start(plan, 0);
  }

  // Runs the next batch to its end; what it takes grows by the prefill row, as on a device.
  std::optional<BatchJob> run() {
    const auto jobs = all<SubmitBatch>(effects());
    EXPECT_LE(jobs.size(), 1u);
    if (jobs.empty()) return std::nullopt;
    Duration took{0};
    for (const auto& sequence : jobs[0].batch.sequences) {
      if (sequence.row_count > 1) took += kRow * sequence.row_count;
    }
    const auto decodes = [](const auto& sequence) { return sequence.row_count == 1; };
    const auto& all_of_it = jobs[0].batch.sequences;
    if (std::any_of(all_of_it.begin(), all_of_it.end(), decodes)) took += kStep;
    now_ = now_ + took;
    BatchOutput out = output(jobs[0].batch);
    out.elapsed_s = to_seconds(took);
    stage_.on_batch_done(jobs[0].job, std::move(out), now_);
    return jobs[0].batch;
  }
  void decode_rows() {
    for (uint64_t session = 1; session <= 4; ++session) step(rows(session, position_, 1, true));
    ++position_;
  }
  void start_streams(int rounds = 20) {
    for (uint64_t session = 1; session <= 4; ++session) step(rows(session, 0, 10, true));
    ASSERT_TRUE(run());
    position_ = 10;
    for (int i = 0; i < rounds; ++i) {
      decode_rows();
      ASSERT_TRUE(run());
      while (run()) {
      }
    }
  }
  uint32_t position_ = 0;
};

TEST_F(BusyStageTest, ALongPromptRidesAlongAndNoStepTakesTwiceAsLong) {
  start_streams();
  for (uint32_t first = 0; first < 512; first += 128) step(rows(9, first, 128));
  EXPECT_FALSE(run()) << "it waits for the streams' rows";
  uint32_t done = 0;
  for (uint32_t steps = 0; done < 512; ++steps) {
    ASSERT_LE(steps, 512 / kRidingRowsMin) << "the prompt starves";
    decode_rows();
    const Time before = now_;
    const auto batch = run();
    ASSERT_TRUE(batch);
    ASSERT_GE(batch->sequences.size(), 4u) << "all streams' rows are one batch";
    EXPECT_LE(now_ - before, 2 * kStep);
    done += batch->row_count - 4;
  }
}

TEST_F(BusyStageTest, AStepThatTakesLongMakesNoRoomForAPromptsFullBatch) {
  start_streams();
  for (uint32_t first = 0; first < 512; first += 128) step(rows(9, first, 128));
  decode_rows();
  const auto running = all<SubmitBatch>(effects());
  ASSERT_EQ(running.size(), 1u);
  now_ = now_ + 100 * kStep;
  EXPECT_TRUE(all<SubmitBatch>(effects()).empty()) << "it would be another step's delay";
}

TEST_F(BusyStageTest, APromptGoesAloneAndInFullOnceNoStreamDecodes) {
  start_streams();
  step(rows(9, 0, 128));
  EXPECT_FALSE(run());
  for (uint64_t session = 1; session <= 4; ++session) {
    stage_.on_close(kHead, {kEpoch, SessionId{session}});
  }
  const auto batch = run();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->row_count, 128u);
}

TEST_F(BusyStageTest, APromptDoesNotWaitForStreamsThatHaveStopped) {
  start_streams();
  step(rows(9, 0, 128));
  EXPECT_FALSE(run());
  now_ = now_ + 4 * kStep;
  const auto batch = run();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->row_count, 128u);
}

TEST_F(BusyStageTest, TheFirstOfTwoStagesTriesTwoGroupsAndKeepsOneIfThatIsFaster) {
  stage_.start(make_plan(), 0);
  start_streams();
  // A step takes the same for two rows and for four here, so one group is the better.
  size_t halves = 0;
  for (int i = 0; i < 100; ++i) {
    decode_rows();
    while (const auto ran = run()) halves += ran->sequences.size() == 2;
  }
  EXPECT_GT(halves, 0u) << "it tries both";
  EXPECT_LT(halves, 20u) << "for a moment";
  decode_rows();
  const auto ran = run();
  ASSERT_TRUE(ran);
  EXPECT_EQ(ran->sequences.size(), 4u);
}

TEST_F(BusyStageTest, RowsWaitForTheRestOfTheirGroupAsLongAsTheStagesComputeAStep) {
  stage_.start(make_plan(), 0);
  start_streams();
  for (uint64_t session = 1; session <= 3; ++session) step(rows(session, position_, 1, true));
  EXPECT_FALSE(run()) << "the fourth is on its way";
  now_ = now_ + kStep;
  EXPECT_FALSE(run());
  now_ = now_ + 3 * kStep / 2;
  const auto ran = run();
  ASSERT_TRUE(ran) << "a stream that is late holds up the others for no longer";
  EXPECT_EQ(ran->sequences.size(), 3u);
}

}  // namespace
}  // namespace weft::mesh::test

#include "node/slice_compute.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/queue.h"
#include "kernels/backend.h"
#include "model/synth.h"
#include "node/adapters.h"
#include "tests/kernels/tiny_model.h"
#include "tests/kernels/wrapped_backend.h"
#include "tests/model/small_adapter.h"
#include "tests/support/wait.h"

namespace weft::node {
namespace {

constexpr uint32_t kLayers = 3;

class SliceComputeTest : public ::testing::Test {
 protected:
  using Event = std::variant<SliceLoaded, BatchDone, SessionReleased>;

  SliceComputeTest() : SliceComputeTest(kernels::make_reference_backend()) {}
  explicit SliceComputeTest(std::unique_ptr<kernels::Backend> backend)
      : compute_({std::move(backend)}, {
      [this](SliceProgress) { if (on_progress_) on_progress_(); },
      [this](SliceLoaded loaded) { ASSERT_TRUE(events_.try_push(std::move(loaded))); },
      [this](BatchDone done) { ASSERT_TRUE(events_.try_push(std::move(done))); },
      [this](SessionReleased released) { ASSERT_TRUE(events_.try_push(std::move(released))); },
      [](int commands) { return wait_readable({&commands, 1}, seconds(1)); },
      [this]() -> Result<std::unique_ptr<kernels::Backend>> {
        ++fallbacks_;
        if (fallback_fails_) return Error(ErrorCode::kUnsupported, "no other backend");
        return kernels::make_reference_backend();
      },
      [this](kernels::Backend&) { ++changes_; },
      [this](uint64_t job) { ASSERT_TRUE(told_.try_push(job)); }}) {}

  // Loads the whole model and waits for it.
  Result<> load(uint64_t epoch, uint32_t kv_tokens = 64, uint64_t keep = 0) {
    request_load(epoch, kv_tokens, keep);
    while (auto event = events_.pop(seconds(20))) {
      if (auto* loaded = std::get_if<SliceLoaded>(&*event)) {
        EXPECT_EQ(loaded->epoch.value, epoch);
        if (loaded->result.ok()) {
          EXPECT_GT(loaded->memory_bytes, 0u);
        }
        return loaded->result;
      }
    }
    return Error(ErrorCode::kTimeout, "no answer to the load");
  }
  void request_load(uint64_t epoch, uint32_t kv_tokens, uint64_t keep) {
    LoadRequest request;
    request.epoch = Epoch{epoch};
    request.keep = Epoch{keep};
    request.model = model_;
    request.model_path = tiny_.path();
    request.last_layer = kLayers;
    request.kv_tokens = kv_tokens;
    request.rows_max = 32;
    request.adapters = adapters_;
    compute_.load(std::move(request));
  }
  mesh::BatchSequence prompt(uint64_t session, uint32_t count, uint32_t salt) const {
    mesh::BatchSequence sequence;
    sequence.session = SessionId{session};
    sequence.row_count = count;
    sequence.tokens = tiny_.tokens(count, salt);
    sequence.sample = true;
    return sequence;
  }
  Result<mesh::BatchOutput> run(uint64_t epoch, std::vector<mesh::BatchSequence> sequences) {
    mesh::BatchJob batch;
    batch.epoch = Epoch{epoch};
    for (const auto& sequence : sequences) batch.row_count += sequence.row_count;
    batch.sequences = std::move(sequences);
    EXPECT_TRUE(compute_.submit(++job_, std::move(batch)));
    while (auto event = events_.pop(seconds(20))) {
      if (auto* done = std::get_if<BatchDone>(&*event)) {
        EXPECT_EQ(done->job, job_);
        return std::move(done->output);
      }
    }
    return Error(ErrorCode::kTimeout, "no answer to the batch");
  }

  kernels::TinyModel tiny_{{.vocab = 301}};
  std::shared_ptr<const model::Model> model_{std::shared_ptr<void>(), &tiny_.get()};
  model::Adapters adapters_;
  BoundedQueue<Event> events_{1024};
  BoundedQueue<uint64_t> told_{1024};  // jobs whose results were announced
  uint64_t job_ = 0;
  std::function<void()> on_progress_;  // on the compute thread
  std::atomic<int> fallbacks_{0}, changes_{0};
  std::atomic<bool> fallback_fails_{false};
  SliceCompute compute_;
};

TEST_F(SliceComputeTest, TwoSessionsInOneBatchGiveWhatEachGivesAlone) {
  ASSERT_TRUE(load(1).ok());
  const auto together = run(1, {prompt(1, 5, 1), prompt(2, 9, 2)});
  ASSERT_TRUE(together.ok()) << together.error().message;
  compute_.release(Epoch{1}, SessionId{1});
  compute_.release(Epoch{1}, SessionId{2});
  const auto first = run(1, {prompt(3, 5, 1)}), second = run(1, {prompt(4, 9, 2)});
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_EQ(together->sequences.size(), 2u);
  EXPECT_FALSE(together->sequences[0].error || together->sequences[1].error);
  EXPECT_EQ(together->sequences[0].token, first->sequences[0].token);
  EXPECT_EQ(together->sequences[1].token, second->sequences[0].token);
  EXPECT_GT(together->elapsed_s, 0);
}

class OnProcessorTest : public SliceComputeTest {
 protected:
  OnProcessorTest() : SliceComputeTest(kernels::make_cpu_backend({.threads = 1}).value()) {}
};

TEST_F(OnProcessorTest, ResultsAreAnnouncedOnceBeforeTheyAreThere) {
  ASSERT_TRUE(load(1, 1024).ok());
  for (uint64_t session = 1; session <= 3; ++session) {
    ASSERT_TRUE(run(1, {prompt(session, 9, 1)}).ok());
    EXPECT_EQ(told_.try_pop(), job_);
    EXPECT_FALSE(told_.try_pop());
  }
}

// Log probabilities take all logits, and change no token.
TEST_F(SliceComputeTest, ATokenIsTheSameFromTheBestLogitsAndFromAll) {
  ASSERT_TRUE(load(1, 1024).ok());
  for (uint32_t salt = 0; salt < 12; ++salt) {
    std::vector<mesh::BatchSequence> sequences;
    for (const SamplingParams& sampling :
         {SamplingParams{}, SamplingParams{.temperature = 1, .top_k = 1},
          SamplingParams{.temperature = 1, .top_k = 5, .seed = salt},
          SamplingParams{.temperature = 3, .top_k = 60, .top_p = 0.9f, .seed = salt},
          SamplingParams{.temperature = 2, .top_k = 20, .min_p = 0.3f, .seed = salt},
          SamplingParams{.temperature = 1, .top_k = 301, .seed = salt},
          SamplingParams{.temperature = 0.2f, .seed = salt},
          SamplingParams{.temperature = 3, .min_p = 0.9f, .seed = salt},
          SamplingParams{.temperature = 3, .top_p = 0.9f, .seed = salt},
          SamplingParams{.temperature = 1, .seed = salt}}) {
      for (const uint32_t logprobs : {0u, 1u}) {
        sequences.push_back(prompt(1 + sequences.size(), 2, salt));
        sequences.back().sampling = sampling;
        sequences.back().sampling.logprobs = logprobs;
      }
    }
    const auto output = run(1, sequences);
    ASSERT_TRUE(output.ok()) << output.error().message;
    for (size_t i = 0; i < sequences.size(); i += 2) {
      ASSERT_FALSE(output->sequences[i].error || output->sequences[i + 1].error) << i / 2;
      EXPECT_EQ(output->sequences[i].token, output->sequences[i + 1].token) << i / 2;
      EXPECT_TRUE(output->sequences[i].logprobs.empty());
      EXPECT_EQ(output->sequences[i + 1].logprobs.size(), 1u);
    }
    for (size_t i = 0; i < sequences.size(); ++i) compute_.release(Epoch{1}, SessionId{1 + i});
  }
}

TEST_F(SliceComputeTest, AnAdapterOfTheRequestIsApplied) {
  const auto embedding = [&](uint64_t epoch) {
    EXPECT_TRUE(load(epoch).ok());
    mesh::BatchSequence sequence = prompt(epoch, 9, 1);
    sequence.pooling = transport::Pooling::kMean;
    const auto output = run(epoch, {sequence});
    return output.ok() ? output->sequences[0].embedding : std::vector<float>();
  };
  const auto plain = embedding(1);
  test::TemporaryFolder folder;
  model::SmallAdapter small;
  small.pairs_of(tiny_.get());
  small.write(folder / "a.gguf");
  adapters_ = adapters_for({folder / "a.gguf"}, tiny_.get()).value();
  const auto adapted = embedding(2);
  ASSERT_EQ(plain.size(), adapted.size());
  EXPECT_NE(plain, adapted);
}

TEST_F(SliceComputeTest, AnInputIsPooledOverItsBatchesAndBesideStreams) {
  ASSERT_TRUE(load(1, 256).ok());
  for (const auto pooling : {transport::Pooling::kMean, transport::Pooling::kLast}) {
    const auto input = [&](uint64_t session) {
      mesh::BatchSequence sequence = prompt(session, 9, 1);
      sequence.pooling = pooling;
      return sequence;
    };
    const auto whole = run(1, {input(1)});
    compute_.release(Epoch{1}, SessionId{1});
    ASSERT_TRUE(whole.ok());
    const std::vector<float>& vector = whole->sequences[0].embedding;
    ASSERT_EQ(vector.size(), 32u);
    EXPECT_NE(vector, std::vector<float>(32));

    mesh::BatchSequence first = input(2), rest = input(2);
    first.tokens.resize(first.row_count = 4);
    first.sample = false;
    rest.first_position = 4;
    rest.tokens.erase(rest.tokens.begin(), rest.tokens.begin() + 4);
    rest.row_count = 5;
    const auto begun = run(1, {prompt(3, 5, 2), first});
    const auto ended = run(1, {rest, prompt(4, 5, 2)});
    ASSERT_TRUE(begun.ok() && ended.ok());
    EXPECT_TRUE(begun->sequences[1].embedding.empty());
    EXPECT_EQ(ended->sequences[0].embedding, vector);
    EXPECT_EQ(begun->sequences[0].token, ended->sequences[1].token);
    for (const uint64_t session : {2, 3, 4}) compute_.release(Epoch{1}, SessionId{session});
  }
}

TEST_F(SliceComputeTest, OneSequencesErrorDoesNotSpoilTheOther) {
  ASSERT_TRUE(load(1).ok());
  const auto alone = run(1, {prompt(1, 5, 1)});
  compute_.release(Epoch{1}, SessionId{1});
  mesh::BatchSequence bad = prompt(2, 4, 2);
  bad.tokens[1] = 1'000'000;  // beyond the vocabulary
  const auto mixed = run(1, {bad, prompt(3, 5, 1)});
  ASSERT_TRUE(alone.ok() && mixed.ok());
  EXPECT_TRUE(mixed->sequences[0].error);
  EXPECT_FALSE(mixed->sequences[1].error);
  EXPECT_EQ(mixed->sequences[1].token, alone->sequences[0].token);
}

TEST_F(SliceComputeTest, ASessionWithoutRoomIsExhaustedAndTheOtherRuns) {
  ASSERT_TRUE(load(1, 64).ok());
  mesh::BatchSequence first = prompt(1, 5, 1), second = prompt(2, 4, 2);
  first.reserve_tokens = second.reserve_tokens = 60;  // of 64 in all
  const auto output = run(1, {first, second});
  ASSERT_TRUE(output.ok());
  EXPECT_FALSE(output->sequences[0].error);
  ASSERT_TRUE(output->sequences[1].error);
  EXPECT_EQ(output->sequences[1].error->code, ErrorCode::kExhausted);
}

// kUnavailable, so that its head starts it again.
TEST_F(SliceComputeTest, RowsWhoseWindowWasWrittenOverAreRefusedAsLost) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "m.gguf";
  ASSERT_TRUE(model::write_synthetic(
                  {.path = path, .architecture = "gemma2", .shape = "nano", .quant = "f32"})
                  .ok());
  model_ = std::make_shared<const model::Model>(model::Model::open(path).value());
  ASSERT_EQ(model_->config().window, 24u);
  ASSERT_TRUE(load(1, 1024).ok());
  // The window's layers keep a batch of 512 rows besides.
  for (const uint32_t first : {0, 350}) {
    mesh::BatchSequence rows = prompt(1, 350, 1);
    rows.first_position = first;
    const auto output = run(1, {rows});
    ASSERT_TRUE(output.ok());
    ASSERT_FALSE(output->sequences[0].error) << output->sequences[0].error->message;
  }
  const auto row_at = [&](uint32_t position) {
    mesh::BatchSequence row = prompt(1, 1, 2);
    row.first_position = position;
    return std::move(run(1, {row})->sequences[0].error);
  };
  EXPECT_FALSE(row_at(690)) << "what it sees is still there";
  const auto lost = row_at(40);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->code, ErrorCode::kUnavailable) << lost->message;
  EXPECT_FALSE(row_at(0)) << "it begins anew";
  EXPECT_FALSE(row_at(1));
}

TEST_F(SliceComputeTest, ABatchOfAnotherEpochIsStale) {
  ASSERT_FALSE(run(1, {prompt(1, 3, 1)}).ok());  // nothing is loaded yet
  ASSERT_TRUE(load(2).ok());
  const auto output = run(1, {prompt(1, 3, 1)});
  ASSERT_FALSE(output.ok());
  EXPECT_EQ(output.error().code, ErrorCode::kStale);
}

TEST_F(SliceComputeTest, ADropEndsOlderSlicesOnly) {
  ASSERT_TRUE(load(2).ok());
  compute_.drop(Epoch{2});
  EXPECT_TRUE(run(2, {prompt(1, 3, 1)}).ok());
  compute_.drop(Epoch{3});
  EXPECT_EQ(run(2, {prompt(1, 3, 1)}).error().code, ErrorCode::kStale);
}

TEST_F(SliceComputeTest, AKeptSliceServesBesideTheNextWithItsSessions) {
  ASSERT_TRUE(load(1).ok());
  const auto whole = run(1, {prompt(9, 6, 1)});
  mesh::BatchSequence start = prompt(1, 6, 1);
  start.tokens.resize(start.row_count = 5);
  ASSERT_TRUE(run(1, {start}).ok());
  ASSERT_TRUE(load(2, 64, 1).ok());
  mesh::BatchSequence rest = prompt(1, 6, 1);  // the stream goes on where it was
  rest.tokens = {rest.tokens[5]};
  rest.first_position = 5;
  rest.row_count = 1;
  const auto continued = run(1, {rest});
  ASSERT_TRUE(whole.ok() && continued.ok());
  ASSERT_FALSE(continued->sequences[0].error) << continued->sequences[0].error->message;
  EXPECT_EQ(continued->sequences[0].token, whole->sequences[0].token);
  EXPECT_TRUE(run(2, {prompt(2, 5, 1)}).ok());
  compute_.drop(Epoch{2});
  EXPECT_EQ(run(1, {prompt(3, 5, 1)}).error().code, ErrorCode::kStale);
  EXPECT_TRUE(run(2, {prompt(4, 5, 1)}).ok());
}

TEST_F(SliceComputeTest, ALoadThatKeepsNothingFreesAllOthersFirst) {
  ASSERT_TRUE(load(1).ok());
  ASSERT_TRUE(load(2, 64, 1).ok());
  ASSERT_TRUE(load(3, 64, 2).ok());
  EXPECT_EQ(run(1, {prompt(1, 5, 1)}).error().code, ErrorCode::kStale);
  EXPECT_TRUE(run(2, {prompt(1, 5, 1)}).ok());
  ASSERT_TRUE(load(4).ok());
  EXPECT_EQ(run(2, {prompt(1, 5, 1)}).error().code, ErrorCode::kStale);
}

TEST_F(SliceComputeTest, ALoadThatFailsLeavesTheKeptSlice) {
  ASSERT_TRUE(load(1).ok());
  EXPECT_FALSE(load(2, 1u << 31, 1).ok());
  EXPECT_TRUE(run(1, {prompt(1, 5, 1)}).ok());
}

TEST_F(SliceComputeTest, ABatchOfTheKeptSliceDoesNotWaitForTheLoad) {
  ASSERT_TRUE(load(1).ok());
  while (events_.try_pop()) {
  }
  bool submitted = false;
  on_progress_ = [&] {  // some tensors of the next slice are in
    if (std::exchange(submitted, true)) return;
    mesh::BatchJob batch;
    batch.epoch = Epoch{1};
    batch.sequences = {prompt(1, 5, 1)};
    batch.row_count = 5;
    ASSERT_TRUE(compute_.submit(77, std::move(batch)));
  };
  request_load(2, 64, 1);
  bool answered = false;
  while (auto event = events_.pop(seconds(20))) {  // to the end of the load
    if (auto* done = std::get_if<BatchDone>(&*event)) {
      EXPECT_TRUE(done->output.ok());
      answered = true;
    }
    if (std::holds_alternative<SliceLoaded>(*event)) break;
  }
  EXPECT_TRUE(answered) << "the batch was made to wait for the load";
}

TEST_F(SliceComputeTest, AReleasedSessionsRoomIsFreeAgain) {
  ASSERT_TRUE(load(1).ok());
  const auto one = run(1, {prompt(1, 3, 1)});
  const auto two = run(1, {prompt(2, 3, 1)});
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_LT(two->kv_free_tokens, one->kv_free_tokens);
  compute_.release(Epoch{9}, SessionId{1});  // there is no such slice, and no report
  compute_.release(Epoch{1}, SessionId{1});
  compute_.release(Epoch{1}, SessionId{2});
  for (const uint32_t free : {one->kv_free_tokens, 64u}) {
    const auto event = events_.pop(seconds(20));
    ASSERT_TRUE(event && std::holds_alternative<SessionReleased>(*event));
    EXPECT_EQ(std::get<SessionReleased>(*event).epoch, Epoch{1});
    EXPECT_EQ(std::get<SessionReleased>(*event).kv_free_tokens, free) << "without another batch";
  }
  const auto three = run(1, {prompt(3, 3, 1)});
  ASSERT_TRUE(three.ok());
  EXPECT_EQ(three->kv_free_tokens, one->kv_free_tokens);
}

// On a device that can be lost.
class LostDeviceTest : public SliceComputeTest {
 protected:
  LostDeviceTest() : LostDeviceTest(new kernels::WrappedBackend) {}
  explicit LostDeviceTest(kernels::WrappedBackend* device)
      : SliceComputeTest(std::unique_ptr<kernels::Backend>(device)), device_(device) {}
  // The row after a prompt of `count`.
  mesh::BatchSequence next(uint64_t session, uint32_t count) const {
    mesh::BatchSequence sequence = prompt(session, 1, 3);
    sequence.first_position = count;
    return sequence;
  }

  kernels::WrappedBackend* device_;  // until it is lost
};

TEST_F(LostDeviceTest, TheFallbackTakesOverAndOnlyWhatWasLostIsRefused) {
  ASSERT_TRUE(load(1).ok());
  const auto before = run(1, {prompt(1, 5, 1), prompt(2, 6, 2)});
  ASSERT_TRUE(before.ok());
  device_->fail_finish = true;
  const auto mixed = run(1, {next(1, 5), prompt(3, 5, 1)});
  ASSERT_TRUE(mixed.ok()) << mixed.error().message;
  ASSERT_TRUE(mixed->sequences[0].error);
  EXPECT_EQ(mixed->sequences[0].error->code, ErrorCode::kUnavailable);
  EXPECT_FALSE(mixed->sequences[1].error);
  EXPECT_EQ(mixed->sequences[1].token, before->sequences[0].token);
  const auto later = run(1, {next(2, 6), next(3, 5)});
  ASSERT_TRUE(later.ok());
  ASSERT_TRUE(later->sequences[0].error) << "it was in no batch since";
  EXPECT_EQ(later->sequences[0].error->code, ErrorCode::kUnavailable);
  EXPECT_FALSE(later->sequences[1].error);
  EXPECT_TRUE(test::wait_until([&] { return changes_ == 1; }));
  EXPECT_EQ(fallbacks_, 1);
}

TEST_F(LostDeviceTest, ASliceThatItCannotTakeIsLoadedOnTheFallback) {
  device_->fail_allocate = true;
  ASSERT_TRUE(load(1).ok());
  EXPECT_TRUE(run(1, {prompt(1, 5, 1)}).ok());
  EXPECT_EQ(fallbacks_, 1);
}

TEST_F(LostDeviceTest, WithoutAFallbackTheErrorIsGivenToEachStream) {
  fallback_fails_ = true;
  ASSERT_TRUE(load(1).ok());
  device_->fail_finish = true;
  for (int i = 0; i < 2; ++i) {
    const auto output = run(1, {prompt(1, 5, 1)});
    ASSERT_TRUE(output.ok());
    ASSERT_TRUE(output->sequences[0].error);
    EXPECT_EQ(output->sequences[0].error->code, ErrorCode::kUnavailable);
  }
  EXPECT_EQ(fallbacks_, 1);
  EXPECT_EQ(changes_, 0);
}

TEST_F(LostDeviceTest, AWrongModelIsNoReasonToFallBack) {
  EXPECT_FALSE(load(1, 1u << 31).ok());
  EXPECT_EQ(fallbacks_, 0);
}

TEST_F(SliceComputeTest, ALoadThatCannotWorkSaysWhichModel) {
  const auto loaded = load(1, 1u << 31);
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().message.find(tiny_.path()), std::string::npos);
}

}  // namespace
}  // namespace weft::node

#include "mesh/stage.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/text.h"
#include "mesh/checks.h"
#include "mesh/limits.h"

namespace weft::mesh {
namespace {

constexpr double kNewestShare = 0.2;  // of the newest batch in a moving average
// A pause between streams is no part of their rhythm.
constexpr double kDecodeEveryMaxS = 5;

bool is_pooled(const BatchSequence& sequence) {
  return sequence.pooling != transport::Pooling::kNone;
}

void average_in(double& average, double newest) {
  average += (average == 0 ? 1 : kNewestShare) * (newest - average);
}

}  // namespace

void Stage::start(const transport::Propose& plan, size_t index) {
  WEFT_ASSERT(index < plan.stages.size());
  stop();
  plan_ = plan;
  index_ = index;
  kv_free_tokens_ = plan.kv_tokens;
  decode_rows_per_s_ = decode_step_s_ = decode_every_s_ = 0;
  last_decode_ = {};
  grouping_.start(plan.stages.size());
  riding_.start();
}

void Stage::stop() {
  while (!sessions_.empty()) drop(sessions_.begin()->first);
  jobs_.clear();
  plan_.reset();
  kv_free_tokens_ = 0;
}

void Stage::refuse(NodeId head, SessionId session, Error error) {
  log_debug("stage.refused", {{"session", to_string(session)}, {"why", error.message}});
  outbox_.send(head, transport::Refused{epoch(), session, error.code, std::move(error.message)});
}

void Stage::drop(SessionId id) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return;
  for (const Waiting& waiting : it->second.waiting) queued_rows_ -= waiting.step.token_count;
  sessions_.erase(it);
  outbox_.emit(ReleaseSession{epoch(), id});
  closed_.push_back(id);
  if (closed_.size() > kClosedRemembered) closed_.pop_front();
}

bool Stage::fail(SessionId id, Error error) {
  const auto it = sessions_.find(id);
  if (it == sessions_.end()) return false;
  refuse(it->second.head, id, std::move(error));
  drop(id);
  return true;
}

void Stage::on_step(NodeId from, transport::Step step, Time now) {
  WEFT_ASSERT(plan_ && step.epoch == plan_->epoch);
  if (const Result<> checked = check_step(step, *plan_, index_, from); !checked) {
    // Only the feeder may speak for a session; anyone else learns of the refusal and changes
    // nothing.
    const NodeId feeder = index_ == 0 ? step.head : plan_->stages[index_ - 1].node;
    if (from == feeder) {
      refuse(step.head, step.session, checked.error());
      const auto it = sessions_.find(step.session);
      if (it != sessions_.end() && it->second.head == step.head) drop(step.session);
    } else {
      refuse(from, step.session, checked.error());
    }
    return;
  }
  if (std::find(closed_.begin(), closed_.end(), step.session) != closed_.end()) return;
  const auto known = sessions_.find(step.session);
  if (known != sessions_.end() && known->second.head != step.head) {
    return refuse(from, step.session, Error(ErrorCode::kInvalid, "the session has another head"));
  }
  const uint32_t expected = known == sessions_.end() ? 0 : known->second.next_position;
  if (step.first_position + step.token_count <= expected) return;  // a duplicate
  if (step.first_position != expected) {
    Error gap(ErrorCode::kInvalid, cat("rows at position ", step.first_position, " where ",
                                       expected, " is next: a message was lost"));
    refuse(step.head, step.session, std::move(gap));
    return drop(step.session);
  }
  if (queued_rows_ + step.token_count > kQueuedRowsMax ||
      (known == sessions_.end() && sessions_.size() >= kStageSessionsMax)) {
    refuse(step.head, step.session,
           Error(ErrorCode::kExhausted,
                 cat("the stage's queue is full (", queued_rows_, " rows wait); try again later")));
    return drop(step.session);
  }
  Session& session = sessions_[step.session];
  session.head = step.head;
  session.next_position = expected + step.token_count;
  session.last_used = now;
  queued_rows_ += step.token_count;
  session.waiting.push_back({next_arrival_++, std::move(step)});
}

void Stage::on_close(NodeId from, const transport::Close& close) {
  if (close.epoch != epoch()) return;
  const auto it = sessions_.find(close.session);
  if (it != sessions_.end()) {
    if (it->second.head == from) drop(close.session);
    return;
  }
  // Its rows may still be on their way from the stage before: they must start nothing.
  if (std::find(closed_.begin(), closed_.end(), close.session) == closed_.end()) {
    closed_.push_back(close.session);
    if (closed_.size() > kClosedRemembered) closed_.pop_front();
  }
}

void Stage::on_head_dead(NodeId head) {
  std::vector<SessionId> orphans;
  for (const auto& [id, session] : sessions_) {
    if (session.head == head) orphans.push_back(id);
  }
  for (const SessionId id : orphans) drop(id);
}

void Stage::on_head_elsewhere(NodeId head, Time now) {
  std::vector<SessionId> orphans;
  for (const auto& [id, session] : sessions_) {
    if (session.head == head && now - session.last_used >= kBeatEvery) orphans.push_back(id);
  }
  for (const SessionId id : orphans) drop(id);
}

// The first `count` rows of a step, which keeps the rest.
transport::Step Stage::cut(transport::Step& step, uint32_t count) {
  transport::Step first;
  first.first_position = step.first_position;
  first.token_count = count;
  first.reserve_tokens = step.reserve_tokens;
  first.pooling = step.pooling;
  if (!step.tokens.empty()) {
    first.tokens.assign(step.tokens.begin(), step.tokens.begin() + count);
    step.tokens.erase(step.tokens.begin(), step.tokens.begin() + count);
  } else {
    const size_t bytes = step.hidden.size() / step.token_count * count;
    first.hidden = SharedBytes(step.hidden.owner(), step.hidden.view().first(bytes));
    step.hidden = SharedBytes(step.hidden.owner(), step.hidden.view().subspan(bytes));
  }
  step.first_position += count;
  step.token_count -= count;
  return first;
}

BatchSequence Stage::take_rows(SessionId id, Session& session, uint32_t rows_max) {
  BatchSequence sequence;
  sequence.session = id;
  sequence.first_position = session.waiting.front().step.first_position;
  do {
    transport::Step& front = session.waiting.front().step;
    const uint32_t room = rows_max - sequence.row_count;
    transport::Step step;
    if (front.token_count > room) {
      step = cut(front, room);
    } else {
      step = std::move(front);
      session.waiting.pop_front();
    }
    sequence.row_count += step.token_count;
    sequence.reserve_tokens = std::max(sequence.reserve_tokens, step.reserve_tokens);
    sequence.sample = step.sample;
    sequence.pooling = step.pooling;
    sequence.sampling = step.sampling;
    sequence.history = std::move(step.history);
    sequence.tokens.insert(sequence.tokens.end(), step.tokens.begin(), step.tokens.end());
    if (!step.hidden.empty()) sequence.hidden.push_back(std::move(step.hidden));
  } while (!sequence.sample && !session.waiting.empty() && sequence.row_count < rows_max);
  queued_rows_ -= sequence.row_count;
  ++session.jobs;
  session.decodes = sequence.sample && !is_pooled(sequence) && sequence.row_count == 1;
  return sequence;
}

BatchJob Stage::next_batch(uint32_t prefill_rows_max, uint32_t decode_rows_max) {
  struct Candidate {
    bool prefill;
    uint64_t arrival;
    SessionId session;
    auto operator<=>(const Candidate&) const = default;
  };
  std::vector<Candidate> candidates;
  for (const auto& [id, session] : sessions_) {
    if (session.waiting.empty()) continue;
    const Waiting& front = session.waiting.front();
    candidates.push_back({front.step.token_count > 1, front.arrival, id});
  }
  std::sort(candidates.begin(), candidates.end());

  BatchJob batch;
  batch.epoch = epoch();
  uint32_t prefill_rows = 0, decode_rows = 0;
  for (const Candidate& candidate : candidates) {
    Session& session = sessions_.at(candidate.session);
    if (!candidate.prefill && ++decode_rows > decode_rows_max) continue;
    if (candidate.prefill && prefill_rows == prefill_rows_max) continue;
    const uint32_t room = candidate.prefill ? prefill_rows_max - prefill_rows : 1;
    batch.sequences.push_back(take_rows(candidate.session, session, room));
    batch.row_count += batch.sequences.back().row_count;
    if (candidate.prefill) prefill_rows += batch.sequences.back().row_count;
  }
  return batch;
}

size_t Stage::decoding_streams(Time now) const {
  const double patience_s = kRideAlongPatience * double(plan_->stages.size()) *
                            std::max(decode_every_s_, decode_step_s_);
  return size_t(std::count_if(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    const Session& session = entry.second;
    const bool here = session.jobs > 0 || !session.waiting.empty();
    return session.decodes && (here || to_seconds(now - session.last_used) <= patience_s);
  }));
}

bool Stage::group_is_together(size_t streams, Time now) const {
  size_t rows = 0;
  Time first = now;
  for (const auto& [id, session] : sessions_) {
    if (session.waiting.empty() || session.waiting.front().step.token_count > 1) continue;
    ++rows;
    first = std::min(first, session.last_used);
  }
  if (index_ != 0 || rows == 0) return rows > 0;
  const transport::StageSpec& own = plan_->stages.front();
  const double own_share = double(own.last_layer - own.first_layer) / plan_->layer_count;
  const double patience_s = kGroupPatience * decode_step_s_ / own_share;
  return rows >= grouping_.rows_to_wait_for(streams) ||
         to_seconds(now - first) >= patience_s;
}

void Stage::pump(Time now) {
  if (!plan_) return;
  while (queued_rows_ > 0) {
    const size_t streams = decoding_streams(now);
    if (!jobs_.empty()) {
      // A second batch is worth it only if it is full and delays no stream.
      const bool full = jobs_.size() >= size_t(kJobsInFlight);
      if (full || streams > 0 || queued_rows_ < row_budget_) return;
    } else if (streams > 0 && !group_is_together(streams, now)) {
      return;
    }
    const bool forms_groups = index_ == 0 && streams > 0;
    submit(next_batch(streams > 0 ? riding_.rows(row_budget_) : row_budget_,
                      forms_groups ? grouping_.rows_per_batch(streams) : kDecodeRowsMax));
  }
}

void Stage::submit(BatchJob batch) {
  const uint64_t number = outbox_.next_job();
  Job& job = jobs_[number];
  for (BatchSequence& sequence : batch.sequences) {
    BatchSequence kept;
    kept.session = sequence.session;
    kept.first_position = sequence.first_position;
    kept.row_count = sequence.row_count;
    kept.reserve_tokens = sequence.reserve_tokens;
    kept.sample = sequence.sample;
    kept.pooling = sequence.pooling;
    kept.sampling = sequence.sampling;
    kept.history = sequence.history;
    job.sequences.push_back(std::move(kept));
    sequence.sample = sequence.sample && is_last();
  }
  outbox_.emit(SubmitBatch{number, std::move(batch)});
}

// Learns from a batch what decode rows take here, and what prefill rows beside them.
void Stage::measure(const Job& job, double elapsed_s, Time now) {
  uint32_t decode_rows = 0, prefill_rows = 0;
  for (const BatchSequence& sequence : job.sequences) {
    (sequence.row_count == 1 ? decode_rows : prefill_rows) += sequence.row_count;
  }
  if (elapsed_s <= 0) return;
  if (decode_rows == 0) return;
  average_in(decode_rows_per_s_, double(decode_rows) / elapsed_s);
  if (prefill_rows == 0) {
    average_in(decode_step_s_, elapsed_s);
    riding_.on_decode(elapsed_s);
  } else {
    riding_.on_ride(prefill_rows, elapsed_s);
  }
  grouping_.on_batch(decode_rows, prefill_rows == 0, decoding_streams(now), now);
  const double since_s = to_seconds(now - last_decode_);
  if (last_decode_ != Time{} && since_s < kDecodeEveryMaxS) average_in(decode_every_s_, since_s);
  last_decode_ = now;
}

Result<> Stage::check_output(const BatchSequence& sequence, const SequenceOutput& output) const {
  if (output.error) return *output.error;
  if (!is_last()) {
    if (output.hidden.size() != uint64_t{sequence.row_count} * plan_->hidden_dim * sizeof(float)) {
      return Error(ErrorCode::kInternal, "the slice gave activations of a wrong size");
    }
    return {};
  }
  if (is_pooled(sequence)) {
    if (sequence.sample && output.embedding.size() != plan_->hidden_dim) {
      return Error(ErrorCode::kInternal, "the slice gave an embedding of a wrong size");
    }
    return {};
  }
  if (sequence.sample && (output.token < 0 || uint32_t(output.token) >= plan_->vocab_size)) {
    return Error(ErrorCode::kInternal, "the slice drew a token beyond the vocabulary");
  }
  return {};
}

void Stage::on_batch_done(uint64_t number, Result<BatchOutput> result, Time now) {
  const auto it = jobs_.find(number);
  if (it == jobs_.end()) return;  // of an epoch that has ended
  const Job job = std::move(it->second);
  jobs_.erase(it);
  if (result.ok() && result->sequences.size() != job.sequences.size()) {
    result = Error(ErrorCode::kInternal, "the slice answered another number of sequences");
  }
  if (result.ok()) {
    kv_free_tokens_ = result->kv_free_tokens;
    measure(job, result->elapsed_s, now);
  }
  for (size_t i = 0; i < job.sequences.size(); ++i) {
    const BatchSequence& sequence = job.sequences[i];
    const auto session = sessions_.find(sequence.session);
    if (session == sessions_.end()) continue;  // closed meanwhile
    session->second.last_used = now;
    --session->second.jobs;
    const Result<> checked =
        result.ok() ? check_output(sequence, result->sequences[i]) : Result<>(result.error());
    if (!checked) {
      fail(sequence.session, checked.error());
    } else {
      hand_on(sequence, result->sequences[i], session->second.head);
      // No row follows: its cache is free for others before the head's Close comes.
      if (is_pooled(sequence) && sequence.sample) drop(sequence.session);
    }
  }
}

std::vector<NodeId> Stage::receivers_of(uint64_t job) const {
  const auto it = jobs_.find(job);
  if (it == jobs_.end()) return {};
  if (!is_last()) return {plan_->stages[index_ + 1].node};
  // Heads answer a token with the stream's next row.
  std::set<NodeId> nodes{plan_->stages.front().node};
  for (const BatchSequence& sequence : it->second.sequences) {
    const auto session = sessions_.find(sequence.session);
    if (session != sessions_.end()) nodes.insert(session->second.head);
  }
  nodes.erase(outbox_.self());
  return {nodes.begin(), nodes.end()};
}

void Stage::hand_on(const BatchSequence& sequence, const SequenceOutput& output, NodeId head) {
  const uint32_t end = sequence.first_position + sequence.row_count;
  if (is_last()) {
    transport::Token token{epoch(), sequence.session, end, kNoToken, {}};
    if (sequence.sample && is_pooled(sequence)) {
      token.embedding = output.embedding;
    } else if (sequence.sample) {
      token.token = output.token;
      token.logprobs = output.logprobs;
    }
    outbox_.send(head, std::move(token));
    return;
  }
  const size_t beside = sequence.sample ? grammar_bytes(sequence.sampling) : 0;
  const uint32_t frame_rows = rows_per_step(plan_->hidden_dim, beside);
  const size_t row_bytes = size_t{plan_->hidden_dim} * sizeof(float);
  const auto whole = std::make_shared<const SharedBytes>(output.hidden);
  for (uint32_t row = 0; row < sequence.row_count; row += frame_rows) {
    const uint32_t rows = std::min(frame_rows, sequence.row_count - row);
    transport::Step step;
    step.epoch = epoch();
    step.session = sequence.session;
    step.head = head;
    step.first_position = sequence.first_position + row;
    step.token_count = rows;
    step.reserve_tokens = sequence.reserve_tokens;
    step.pooling = sequence.pooling;
    if (sequence.sample && row + rows == sequence.row_count) {
      step.sample = true;
      step.sampling = sequence.sampling;
      step.history = sequence.history;
    }
    step.hidden = SharedBytes(whole, whole->view().subspan(row * row_bytes, rows * row_bytes));
    outbox_.send(plan_->stages[index_ + 1].node, std::move(step));
  }
}

void Stage::tick(Time now) {
  std::vector<SessionId> idle;
  for (const auto& [id, session] : sessions_) {
    if (session.jobs == 0 && session.waiting.empty() && now - session.last_used >= kStageIdleMax) {
      idle.push_back(id);
    }
  }
  for (const SessionId id : idle) {
    log_warn("stage.session_abandoned", {{"session", to_string(id)}});
    drop(id);
  }
}

}  // namespace weft::mesh

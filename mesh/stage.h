// Stage: this node's layers of the active plan, and the rows that wait for them.
//
// What waits is run as one batch: decode rows (steps of one row) first, then prefill rows up to the
// row budget. Steps of one session run in order and are joined and cut where the budget ends, so a
// prompt's chunks arrive in any size that fits a frame and run in the size that computes well. A
// second batch is handed to the compute thread only if it is full by itself; otherwise it is worth
// more to let rows gather while the first one runs.
//
// While streams decode here, a prompt's rows ride along with theirs, only as many as take
// kPrefillShare of the time that a step without them takes (mesh/riding.h): a long prompt makes the
// gap between two tokens at most so much longer, and costs no reading of the weights of its own.
// Between the streams' rows it waits; if none come for kRideAlongPatience steps, it goes alone.
//
// The first stage forms the streams into groups (mesh/grouping.h): a batch takes a group's rows and
// no more, and waits for those that are not there yet as long as the stages compute a step;
// later stages keep what comes together.
//
// A position that was already taken is a duplicate and changes nothing; a gap is Refused kInvalid.
// A session is freed when its head closes it, dies or fails, or leaves it idle for kStageIdleMax;
// one that is pooled, as soon as its last row is through.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "mesh/compute.h"
#include "mesh/grouping.h"
#include "mesh/outbox.h"
#include "mesh/riding.h"
#include "transport/message.h"

namespace weft::mesh {

// Token::token of a report that the prompt's rows up to Token::position have passed the last stage.
inline constexpr TokenId kNoToken = -1;

class Stage {
 public:
  Stage(Outbox& outbox, uint32_t row_budget) : outbox_(outbox), row_budget_(row_budget) {}

  // Serves stage `index` of a plan; its slice is loaded. Ends what ran before.
  void start(const transport::Propose& plan, size_t index);
  // Frees every session and forgets the plan.
  void stop();
  // The plan it serves; 0: none.
  Epoch epoch() const { return plan_ ? plan_->epoch : Epoch{}; }

  // Rows of the epoch it serves (asserted); anything wrong with them is answered Refused.
  void on_step(NodeId from, transport::Step step, Time now);
  void on_close(NodeId from, const transport::Close& close);
  void on_head_dead(NodeId head);
  // The head does not serve this plan (any more): what it has left idle here for kBeatEvery was
  // closed and the word lost. Newer rows may have overtaken the beat that says so.
  void on_head_elsewhere(NodeId head, Time now);
  // A session's rows could not be handed on. False: it has no such session.
  bool fail(SessionId session, Error error);
  // It has handed out this batch and waits for it.
  bool has_job(uint64_t job) const { return jobs_.contains(job); }
  void on_batch_done(uint64_t job, Result<BatchOutput> output, Time now);
  // As Machine has it.
  std::vector<NodeId> receivers_of(uint64_t job) const;
  // A session's cache is free: so many tokens are now.
  void on_released(uint32_t kv_free_tokens) {
    if (plan_) kv_free_tokens_ = kv_free_tokens;
  }

  // Hands what waits to the compute thread, as far as it takes more.
  void pump(Time now);
  void tick(Time now);

  size_t session_count() const { return sessions_.size(); }
  uint32_t queued_rows() const { return queued_rows_; }
  uint32_t kv_free_tokens() const { return kv_free_tokens_; }
  double decode_rows_per_s() const { return decode_rows_per_s_; }

 private:
  struct Waiting {
    uint64_t arrival = 0;
    transport::Step step;
  };
  struct Session {
    NodeId head;
    uint32_t next_position = 0;  // of the next row to arrive
    std::deque<Waiting> waiting;
    int jobs = 0;  // batches under way that hold rows of it
    bool decodes = false;  // has had its prompt and now takes row by row
    Time last_used;
  };
  struct Job {
    std::vector<BatchSequence> sequences;  // without their rows' payload
  };

  void refuse(NodeId head, SessionId session, Error error);
  void drop(SessionId session);
  BatchJob next_batch(uint32_t prefill_rows_max, uint32_t decode_rows_max);
  void submit(BatchJob batch);
  // Streams that decode here, whose next rows are soon to come.
  size_t decoding_streams(Time now) const;
  // Decode rows wait here, and none of their group is worth waiting for any longer.
  bool group_is_together(size_t streams, Time now) const;
  void measure(const Job& job, double elapsed_s, Time now);
  static transport::Step cut(transport::Step& step, uint32_t count);
  BatchSequence take_rows(SessionId id, Session& session, uint32_t rows_max);
  Result<> check_output(const BatchSequence& sequence, const SequenceOutput& output) const;
  void hand_on(const BatchSequence& sequence, const SequenceOutput& output, NodeId head);
  bool is_last() const { return index_ + 1 == plan_->stages.size(); }

  Outbox& outbox_;
  const uint32_t row_budget_;
  std::optional<transport::Propose> plan_;
  size_t index_ = 0;
  std::map<SessionId, Session> sessions_;
  std::map<uint64_t, Job> jobs_;
  std::deque<SessionId> closed_;  // late rows of these start nothing
  uint64_t next_arrival_ = 0;
  uint32_t queued_rows_ = 0;
  uint32_t kv_free_tokens_ = 0;
  double decode_rows_per_s_ = 0;
  // Moving averages; 0: not measured yet.
  double decode_step_s_ = 0;   // a batch of decode rows alone
  double decode_every_s_ = 0;  // from one batch with decode rows to the next
  Time last_decode_;           // when the last one ended
  Grouping grouping_;
  Riding riding_;
};

}  // namespace weft::mesh

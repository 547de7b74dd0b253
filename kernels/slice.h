// Slice: a run of a model's layers on one backend, with its KV cache. A whole model is the slice of
// all layers. The same rows give the same bits however they are batched, chunked or split.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "model/adapter.h"

namespace weft::kernels {

inline constexpr uint32_t kWindowStreams = 8;

struct SliceOptions {
  uint32_t first_layer = 0;
  uint32_t last_layer = 0;      // exclusive
  KvType kv_type = KvType::kF16;
  bool kv_resident = false;     // take the cache's memory at load: for a node, whose plan counts it
  uint32_t kv_tokens = 0;       // capacity over all sessions, rounded up to whole pages
  uint32_t rows_max = 512;      // most rows of one forward call
  // Streams whose windows are kept in full by layers that have one; of shorter streams more fit.
  uint32_t window_streams = kWindowStreams;
  model::Adapters adapters = {};  // each fits the model; their sum is added, in this order
};

// Consecutive positions of one session within a batch.
struct SequenceRows {
  SessionId session;
  uint32_t first_position = 0;
  uint32_t row_count = 0;
  uint32_t logits_count = 0;  // logits wanted for the last so many rows (last stage only)
  uint32_t embedding_count = 0;  // likewise: final hidden states, after the output norm
  // Of each row whose logits are wanted only so many (at most kBestLogitsMax), the ones that a
  // token is drawn from first (Backend::best_logits); 0: all.
  uint32_t best_count = 0;
  // What the token after such a row is drawn by, if the best may leave it open (model::draw_best).
  const SamplingParams* sampling = nullptr;
};

struct SliceBatch {
  std::vector<SequenceRows> sequences;
  std::vector<TokenId> tokens;      // [rows] if the slice holds layer 0
  std::span<const float> hidden;    // [rows, hidden_dim] otherwise
  // Called at most once, by forward, when its results are about kNearlyDone away; may be empty.
  NearlyDone nearly_done = {};
};

struct SliceOutput {
  std::vector<float> hidden;  // [rows, hidden_dim] unless the slice holds the last layer
  // If it does:
  std::vector<float> logits;  // [sum of logits_count, vocab], of sequences without a best_count
  std::vector<TokenLogit> best;  // [sum of logits_count * best_count]
  // What the best do not say, where there is a `sampling`: what all tokens weigh together, and all
  // logits [vocab] if the best leave the token open.
  struct Others {
    uint64_t total = 0;
    std::vector<float> logits;
  };
  std::vector<Others> others;  // of each row of which the best are wanted
  std::vector<float> embeddings;  // [sum of embedding_count, hidden_dim]
};

// Memory a slice takes, before it is loaded: what the planner and `weft info` state.
struct SliceMemory {
  uint64_t weight_bytes = 0;
  uint64_t kv_bytes = 0;
  uint64_t scratch_bytes = 0;
};

class Slice {
 public:
  // progress(done_bytes, total_bytes) is called as tensors are taken in; it may be empty and may
  // return false to cancel (kCancelled). The backend and the model must outlive the slice.
  static Result<std::unique_ptr<Slice>> load(
      Backend& backend, const model::Model& model, const SliceOptions& options,
      const std::function<bool(uint64_t, uint64_t)>& progress = {});
  virtual ~Slice() = default;

  virtual bool first() const = 0;  // holds layer 0: takes tokens
  virtual bool last() const = 0;   // holds the last layer: gives logits

  // A batch is about to come: what computes its first layers may wake up (Backend::expect_work).
  virtual void expect_batch() = 0;
  // Runs the batch. A session's positions must follow on from what it has (position 0 starts one
  // anew; an earlier position that it keeps rolls it back). kInvalid: a gap, a position beyond the
  // context, an id beyond the vocabulary, a shape that does not fit; kExhausted: no KV pages left.
  // On an error no session has advanced.
  virtual Result<SliceOutput> forward(const SliceBatch& batch) = 0;
  // Makes room ahead, so that a stream that has begun cannot run out later. kExhausted.
  virtual Result<> reserve(SessionId session, uint32_t token_count) = 0;
  virtual void release(SessionId session) = 0;
  // Positions it has of the session; 0 if it does not know it.
  virtual uint32_t length(SessionId session) const = 0;
  // Whether rows of the session may begin at this position: up to its length, but a layer that has
  // a window has let go of what earlier positions saw.
  virtual bool keeps(SessionId session, uint32_t position) const = 0;

  virtual SliceMemory memory() const = 0;
  virtual uint32_t kv_free_tokens() const = 0;
};

}  // namespace weft::kernels

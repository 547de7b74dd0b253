// Compute: the door from mesh to arithmetic, as data.
//
// A machine emits SubmitBatch{job, batch}; whoever carries effects out (node/slice_compute on its
// compute thread, sim/sim_compute in modelled time, the tests' fake) runs the batches one after the
// other in the order of submission and hands each result to Machine::on_batch_done(job, ...). What
// is free after a ReleaseSession between them goes to Machine::on_released(epoch, ...).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/id.h"
#include "base/result.h"
#include "base/sampling.h"
#include "transport/message.h"

namespace weft::mesh {

// Consecutive positions of one session. A session stands at most once in a batch.
struct BatchSequence {
  SessionId session;
  uint32_t first_position = 0;  // 0 starts the session anew
  uint32_t row_count = 0;       // at least 1
  uint32_t reserve_tokens = 0;  // KV positions to hold before its first rows run; kExhausted if not
  bool sample = false;          // last stage: draw a token from the last row's logits
  // Last stage: no token is drawn; the rows of all of the session's batches are pooled, and with
  // `sample` the vector is given.
  transport::Pooling pooling = transport::Pooling::kNone;
  SamplingParams sampling;      // if sample; the drawn token's position is first + row_count
  std::vector<TokenId> history;     // if sample: tokens for the penalties, newest last
  std::vector<TokenId> tokens;      // first stage: [row_count]
  std::vector<SharedBytes> hidden;  // other stages: pieces that make [row_count, hidden_dim] f32
};

struct BatchJob {
  Epoch epoch;
  std::vector<BatchSequence> sequences;
  uint32_t row_count = 0;  // of all sequences together
};

// The same order as the job's sequences.
struct SequenceOutput {
  std::optional<Error> error;  // this sequence failed (kExhausted: no KV room); the others ran
  SharedBytes hidden;          // [row_count, hidden_dim] f32, unless this is the last stage
  TokenId token = 0;           // last stage, if sample
  std::vector<TokenLogprob> logprobs = {};  // if asked for: of the token, then of the likeliest
  std::vector<float> embedding = {};        // last stage, if sample and pooled: [hidden_dim]
};

struct BatchOutput {
  std::vector<SequenceOutput> sequences;
  double elapsed_s = 0;         // that the batch took, for the load in beats
  uint32_t kv_free_tokens = 0;  // afterwards
};

}  // namespace weft::mesh

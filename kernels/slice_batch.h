// Checks a batch against a slice before anything is computed. A batch may come from another node,
// so every number in it is suspect.
#pragma once

#include <functional>
#include <vector>

#include "kernels/slice.h"

namespace weft::kernels {

// Most rows of one batch; the mesh's own limit is far lower.
inline constexpr uint32_t kBatchRowsMax = 1u << 20;

// What a batch is checked against.
struct BatchLimits {
  bool takes_tokens = false;  // else hidden states
  uint32_t hidden_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;
  std::function<uint32_t(SessionId)> length_of;  // positions a session has; 0 if unknown
};

// A session's end after the batch, and where the batch began to write.
struct SessionSpan {
  SessionId session;
  uint32_t begin = 0;  // lowest position the batch writes
  uint32_t end = 0;    // positions the session has afterwards
};

// A row of which the best logits are wanted.
struct BestRow {
  uint32_t row = 0;
  uint32_t count = 0;
  size_t at = 0;      // of its first in the output
  size_t number = 0;  // among such rows
  const SamplingParams* sampling = nullptr;
  uint64_t position = 0;  // of the token after it
};

struct BatchPlan {
  uint32_t row_count = 0;
  std::vector<uint32_t> positions;    // [row_count]
  std::vector<uint32_t> span_of_row;  // [row_count], index into spans
  std::vector<uint32_t> wanted_rows;  // rows whose logits are all wanted, ascending
  std::vector<BestRow> best_rows;     // ascending too
  size_t best_count = 0;              // logits of those together
  std::vector<uint32_t> embedding_rows;  // rows whose final hidden states are, ascending
  std::vector<SessionSpan> spans;     // one per session
};

// kInvalid says which session or row does not fit and why. A session may come several times in a
// batch if each run of rows goes on where the one before ended.
Result<BatchPlan> check_batch(const SliceBatch& batch, const BatchLimits& limits);

}  // namespace weft::kernels

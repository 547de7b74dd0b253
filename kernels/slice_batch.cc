#include "kernels/slice_batch.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/text.h"

namespace weft::kernels {
namespace {

Error invalid(const std::string& message) {
  return Error(ErrorCode::kInvalid, message);
}

Result<uint32_t> count_rows(const SliceBatch& batch, uint32_t vocab_size) {
  uint64_t rows = 0;
  for (const SequenceRows& sequence : batch.sequences) {
    if (sequence.row_count == 0) {
      return invalid(cat("session ", to_string(sequence.session), ": no rows; send at least one"));
    }
    if (sequence.logits_count > sequence.row_count) {
      return invalid(cat("session ", to_string(sequence.session), ": logits of ",
                         sequence.logits_count, " rows are wanted, it has ", sequence.row_count));
    }
    if (sequence.embedding_count > sequence.row_count) {
      return invalid(cat("session ", to_string(sequence.session), ": embeddings of ",
                         sequence.embedding_count, " rows are wanted, it has ",
                         sequence.row_count));
    }
    if (sequence.best_count > std::min<size_t>(kBestLogitsMax, vocab_size)) {
      return invalid(cat("session ", to_string(sequence.session), ": the best ",
                         sequence.best_count, " logits of a row are wanted; at most ",
                         std::min<size_t>(kBestLogitsMax, vocab_size), " can be"));
    }
    rows += sequence.row_count;
    if (rows > kBatchRowsMax) {
      return invalid(cat("more than ", kBatchRowsMax, " rows in a batch; send it in parts"));
    }
  }
  if (rows == 0) return invalid("a batch without rows");
  return uint32_t(rows);
}

Result<> check_tokens(const SliceBatch& batch, const BatchLimits& limits, uint32_t rows) {
  if (!batch.hidden.empty() || batch.tokens.size() != rows) {
    return invalid(cat("the first slice takes ", rows,
                       " tokens and no hidden states; it was given ", batch.tokens.size(),
                       " tokens and ", batch.hidden.size(), " values"));
  }
  for (const TokenId token : batch.tokens) {
    if (token < 0 || uint32_t(token) >= limits.vocab_size) {
      return invalid(cat("token ", token, " is not in the vocabulary of ", limits.vocab_size,
                         "; was the text tokenized with another model's tokenizer?"));
    }
  }
  return {};
}

Result<> check_hidden(const SliceBatch& batch, const BatchLimits& limits, uint32_t rows) {
  const uint64_t expected = uint64_t{rows} * limits.hidden_dim;
  if (!batch.tokens.empty() || batch.hidden.size() != expected) {
    return invalid(cat("this slice takes ", rows, " rows of ", limits.hidden_dim,
                       " hidden values and no tokens; it was given ", batch.hidden.size(),
                       " values and ", batch.tokens.size(), " tokens"));
  }
  for (size_t i = 0; i < batch.hidden.size(); ++i) {
    if (!std::isfinite(batch.hidden[i])) {
      return invalid(
          cat("hidden state of row ", i / limits.hidden_dim, " is ", batch.hidden[i], " at ",
              i % limits.hidden_dim,
              "; the stage before this one computed nonsense or its bytes were changed"));
    }
  }
  return {};
}

// Extends the session's span by the sequence, if it follows on.
Result<> extend(SessionSpan& span, const SequenceRows& sequence, bool seen_before,
                const BatchLimits& limits) {
  const uint32_t first = sequence.first_position;
  const uint64_t end = uint64_t{first} + sequence.row_count;
  if (seen_before ? first != span.end : first > span.end) {
    return invalid(cat("session ", to_string(sequence.session), ": position ", first,
                       " does not follow on from the ", span.end,
                       " it has here; start it anew from position 0"));
  }
  if (end > limits.context_length) {
    return invalid(cat("session ", to_string(sequence.session), ": ", end,
                       " positions do not fit the context of ", limits.context_length,
                       "; shorten the prompt or ask for fewer tokens"));
  }
  if (!seen_before) span.begin = first;
  span.end = uint32_t(end);
  return {};
}

}  // namespace

Result<BatchPlan> check_batch(const SliceBatch& batch, const BatchLimits& limits) {
  BatchPlan plan;
  WEFT_TRY(plan.row_count, count_rows(batch, limits.vocab_size));
  if (limits.takes_tokens) {
    WEFT_CHECK(check_tokens(batch, limits, plan.row_count));
  } else {
    WEFT_CHECK(check_hidden(batch, limits, plan.row_count));
  }

  plan.positions.reserve(plan.row_count);
  plan.span_of_row.reserve(plan.row_count);
  std::unordered_map<SessionId, uint32_t> span_of_session;
  for (const SequenceRows& sequence : batch.sequences) {
    const auto [found, added] =
        span_of_session.try_emplace(sequence.session, uint32_t(plan.spans.size()));
    if (added) {
      const uint32_t length = limits.length_of(sequence.session);
      plan.spans.push_back({sequence.session, length, length});
    }
    WEFT_CHECK(extend(plan.spans[found->second], sequence, !added, limits));
    for (uint32_t i = 0; i < sequence.row_count; ++i) {
      const uint32_t row = uint32_t(plan.positions.size()), left = sequence.row_count - i;
      if (left <= sequence.logits_count && sequence.best_count == 0) {
        plan.wanted_rows.push_back(row);
      } else if (left <= sequence.logits_count) {
        plan.best_rows.push_back({row, sequence.best_count, plan.best_count, plan.best_rows.size(),
                                  sequence.sampling, uint64_t{sequence.first_position} + i + 1});
        plan.best_count += sequence.best_count;
      }
      if (left <= sequence.embedding_count) plan.embedding_rows.push_back(row);
      plan.positions.push_back(sequence.first_position + i);
      plan.span_of_row.push_back(found->second);
    }
  }
  return plan;
}

}  // namespace weft::kernels

#include "node/poolings.h"

#include "base/assert.h"
#include "base/text.h"

namespace weft::node {

using transport::Pooling;

uint32_t Poolings::rows_wanted(const mesh::BatchSequence& sequence) {
  switch (sequence.pooling) {
    case Pooling::kNone: return 0;
    case Pooling::kMean: return sequence.row_count;
    case Pooling::kLast: return sequence.sample ? 1 : 0;
  }
  return 0;
}

Result<std::vector<float>> Poolings::take(const mesh::BatchSequence& sequence,
                                          std::span<const float> rows, size_t dim) {
  WEFT_ASSERT(rows.size() == rows_wanted(sequence) * dim);
  if (sequence.pooling == Pooling::kLast) return std::vector<float>(rows.begin(), rows.end());
  Sum& sum = sums_[sequence.session];
  if (sequence.first_position == 0) sum = {0, std::vector<double>(dim)};
  if (sum.next_position != sequence.first_position || sum.values.size() != dim) {
    sums_.erase(sequence.session);
    return Error(ErrorCode::kStale, cat("the rows before position ", sequence.first_position,
                                        " of this input were lost; ask again"));
  }
  sum.next_position += sequence.row_count;
  for (size_t i = 0; i < rows.size(); ++i) sum.values[i % dim] += rows[i];
  if (!sequence.sample) return std::vector<float>();
  std::vector<float> mean(dim);
  for (size_t d = 0; d < dim; ++d) mean[d] = float(sum.values[d] / sum.next_position);
  sums_.erase(sequence.session);
  return mean;
}

}  // namespace weft::node

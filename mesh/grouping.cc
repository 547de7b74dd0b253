#include "mesh/grouping.h"

#include <algorithm>

#include "mesh/limits.h"

namespace weft::mesh {

void Grouping::start(size_t stages) {
  *this = Grouping();
  stages_ = groups_ = std::max<size_t>(stages, 1);
}

uint32_t Grouping::rows_per_batch(size_t streams) const {
  if (groups_ == 1) return kDecodeRowsMax;
  return uint32_t(std::max<size_t>(1, (streams + groups_ - 1) / groups_));
}

size_t Grouping::rows_to_wait_for(size_t streams) const {
  return groups_ == 1 && stages_ > 1 ? std::max<size_t>(streams, 1) : 1;
}

void Grouping::begin(Phase phase, Time now) {
  phase_ = phase;
  since_ = now;
  rows_ = 0;
}

void Grouping::on_batch(uint32_t decode_rows, bool pure, size_t streams, Time now) {
  if (stages_ < 2) return;
  if (since_ == Time{} || !pure || streams != streams_ || streams < 2) {
    // What was counted so far is of other conditions; what was decided stands.
    streams_ = streams;
    begin(phase_ == Phase::kCounting ? Phase::kSettling : phase_, now);
    return;
  }
  rows_ += decode_rows;
  const Duration passed = now - since_;
  switch (phase_) {
    case Phase::kSettling:
      if (passed >= kGroupSettle) begin(Phase::kCounting, now);
      return;
    case Phase::kCounting:
      if (passed >= kGroupTrial && rows_ >= kGroupRounds * streams) {
        finish_trial(rows_ / to_seconds(passed), now);
      }
      return;
    case Phase::kKeeping:
      if (passed >= kGroupTrialEvery) begin(Phase::kCounting, now);
      return;
  }
}

void Grouping::finish_trial(double rows_per_s, Time now) {
  const size_t other = groups_ == 1 ? stages_ : 1;
  if (other_rate_ == 0) {
    other_rate_ = rows_per_s;
    groups_ = other;
    return begin(Phase::kSettling, now);
  }
  if (other_rate_ > rows_per_s) groups_ = other;
  other_rate_ = 0;
  begin(Phase::kKeeping, now);
}

}  // namespace weft::mesh

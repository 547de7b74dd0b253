#include "mesh/grouping.h"

#include <algorithm>

#include "mesh/limits.h"

namespace weft::mesh {

void Grouping::start(size_t stages) {
  *this = Grouping();
  stages_ = std::max<size_t>(stages, 1);
  keep_ = kGroupFirstTrial;
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
  if (since_ == Time{}) begin(Phase::kKeeping, now);
  if (!pure || streams != streams_ || streams < 2) {
    // What was counted so far is of other conditions: a trial ends, what was decided stands.
    streams_ = streams;
    if (phase_ == Phase::kKeeping) return;
    if (kept_rate_ > 0) groups_ = other_way();
    kept_rate_ = 0;
    begin(Phase::kKeeping, now);
    return;
  }
  rows_ += decode_rows;
  switch (phase_) {
    case Phase::kKeeping:
      if (now - since_ >= keep_) begin(Phase::kCounting, now);
      return;
    case Phase::kSettling:
      if (rows_ >= streams) begin(Phase::kCounting, now);
      return;
    case Phase::kCounting: {
      if (rows_ < streams || now == since_) return;
      const double rows_per_s = rows_ / to_seconds(now - since_);
      const bool lost = kept_rate_ > 0 && rows_per_s < kGroupLost * kept_rate_;
      if (lost || (now - since_ >= kGroupTrial && rows_ >= kGroupRounds * streams)) {
        finish_count(rows_per_s, now);
      }
      return;
    }
  }
}

void Grouping::finish_count(double rows_per_s, Time now) {
  if (kept_rate_ == 0) {
    kept_rate_ = rows_per_s;
    groups_ = other_way();
    return begin(Phase::kSettling, now);
  }
  const bool faster = rows_per_s > kGroupGain * kept_rate_;
  if (!faster) groups_ = other_way();
  keep_ = faster ? kGroupTrialEvery
                 : std::clamp<Duration>(2 * keep_, kGroupTrialEvery, kGroupTrialEveryMax);
  kept_rate_ = 0;
  begin(Phase::kKeeping, now);
}

}  // namespace weft::mesh

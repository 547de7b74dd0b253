// Grouping: in how many groups the streams of a plan go round its stages, found by measuring.
//
// As many groups as stages keep every device busy: while one group is at the first stage another is
// at the second. One group alone reads each stage's weights once for all streams, and is better
// where stages share a processor or a row costs nothing beside the weights. No node can know which
// holds, so the first stage tries both for a moment, counts rows per second, keeps the better one,
// and looks again every kGroupTrialEvery. Streams come and go without harm: only time with the same
// number of streams and no prefill is counted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace weft::mesh {

class Grouping {
 public:
  // A plan of so many stages begins. As many groups, until measured.
  void start(size_t stages);

  // Most decode rows of a batch while so many streams decode: at least 1.
  uint32_t rows_per_batch(size_t streams) const;
  // How many a batch waits for: all where one group is tried or kept, else it starts with any.
  size_t rows_to_wait_for(size_t streams) const;
  // A batch with decode rows has ended at the first stage. `pure`: it had no others.
  void on_batch(uint32_t decode_rows, bool pure, size_t streams, Time now);

  size_t groups() const { return groups_; }

 private:
  enum class Phase { kSettling, kCounting, kKeeping };
  void begin(Phase phase, Time now);
  void finish_trial(double rows_per_s, Time now);

  size_t stages_ = 1;
  size_t groups_ = 1;
  Phase phase_ = Phase::kSettling;
  Time since_;           // when the phase began; 0: not yet
  size_t streams_ = 0;   // that decoded then
  uint32_t rows_ = 0;    // counted since
  double other_rate_ = 0;  // rows per second of the other way; 0: it is still to be tried
};

}  // namespace weft::mesh

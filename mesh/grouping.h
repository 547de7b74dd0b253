// Grouping: in how many groups the streams of a plan go round its stages, found by measuring.
//
// As many groups as stages keep every device busy: while one group is at the first stage another is
// at the second. One group alone reads each stage's weights once for all streams, and is better
// where stages share a processor or a row costs nothing beside the weights. No node can know which
// holds, so the first stage begins with one group, which is never much worse than one device alone,
// tries the other way for a few rounds kGroupFirstTrial after the plan's first rows, keeps the
// faster one, and looks again ever more rarely while it stays the faster. Streams come and go
// without harm: only time with the same number of streams and no prefill is counted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace weft::mesh {

class Grouping {
 public:
  // A plan of so many stages begins.
  void start(size_t stages);

  // Most decode rows of a batch while so many streams decode: at least 1.
  uint32_t rows_per_batch(size_t streams) const;
  // How many a batch waits for: all where one group is tried or kept, else it starts with any.
  size_t rows_to_wait_for(size_t streams) const;
  // A batch with decode rows has ended at the first stage. `pure`: it had no others.
  void on_batch(uint32_t decode_rows, bool pure, size_t streams, Time now);

  size_t groups() const { return groups_; }

 private:
  enum class Phase { kKeeping, kSettling, kCounting };
  void begin(Phase phase, Time now);
  void finish_count(double rows_per_s, Time now);
  size_t other_way() const { return groups_ == 1 ? stages_ : 1; }

  size_t stages_ = 1;
  size_t groups_ = 1;
  Phase phase_ = Phase::kKeeping;
  Time since_;             // when the phase began; 0: not yet
  Duration keep_;          // how long it keeps what it has before it tries again
  size_t streams_ = 0;     // that decoded then
  uint32_t rows_ = 0;      // counted since
  double kept_rate_ = 0;   // rows per second of what was kept; 0: not trying another way
};

}  // namespace weft::mesh

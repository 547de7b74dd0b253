// Election: who coordinates, and how plans are numbered.
//
// The coordinator is the alive member with the lowest id. Views may differ for a while, so two
// nodes may both believe they are it; no vote is held. Epochs fence them instead: an epoch is a
// counter above sixteen bits of its maker's id, so two coordinators never make the same one, and
// every member keeps to the highest plan it has accepted.
#pragma once

#include "base/id.h"
#include "mesh/membership.h"

namespace weft::mesh {

// More plans than a mesh makes in its life; a larger step comes from a defect or a liar.
inline constexpr uint64_t kEpochJumpMax = uint64_t{1} << 24;

NodeId coordinator_of(const Membership& membership);

class EpochCounter {
 public:
  // Takes note of an epoch in use. False, and no note, if it is implausibly far ahead.
  bool saw(Epoch epoch);
  // Above all that were seen.
  Epoch next(NodeId maker);
  Epoch highest() const { return highest_; }

 private:
  Epoch highest_;
};

}  // namespace weft::mesh

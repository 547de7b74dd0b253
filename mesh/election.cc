#include "mesh/election.h"

namespace weft::mesh {
namespace {

constexpr int kMakerBits = 16;

uint64_t counter(Epoch epoch) {
  return epoch.value >> kMakerBits;
}

}  // namespace

NodeId coordinator_of(const Membership& membership) {
  // The members are ordered by id, and this node is always one of the alive.
  for (const auto& [node, member] : membership.members()) {
    if (member.alive()) return node;
  }
  return membership.self();
}

bool EpochCounter::saw(Epoch epoch) {
  if (epoch <= highest_) return true;
  if (counter(epoch) - counter(highest_) > kEpochJumpMax) return false;
  highest_ = epoch;
  return true;
}

Epoch EpochCounter::next(NodeId maker) {
  highest_ =
      Epoch{(counter(highest_) + 1) << kMakerBits | uint64_t{maker.bytes[0]} << 8 | maker.bytes[1]};
  return highest_;
}

}  // namespace weft::mesh

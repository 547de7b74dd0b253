#include "mesh/election.h"

#include <gtest/gtest.h>

#include "mesh/limits.h"

namespace weft::mesh {
namespace {

NodeId id(uint8_t number) {
  NodeId node;
  node.bytes.fill(number);
  return node;
}

TEST(Election, TheLowestAliveIdCoordinates) {
  Time now{1};
  Membership members(id(5), "five", 1, now);
  EXPECT_EQ(coordinator_of(members), id(5));
  members.on_hello(id(3), 1, now);
  members.on_hello(id(8), 1, now);
  EXPECT_EQ(coordinator_of(members), id(3));
  members.on_link_down(id(3), now);
  EXPECT_EQ(coordinator_of(members), id(3)) << "a suspect keeps its office";
  members.tick(now + kBrokenLinkDeadAfter / 2);
  members.tick(now + kBrokenLinkDeadAfter);
  EXPECT_EQ(coordinator_of(members), id(5));
}

TEST(Election, TwoMakersNeverMakeTheSameEpoch) {
  EpochCounter a, b;
  for (int i = 0; i < 100; ++i) {
    const Epoch of_a = a.next(id(1)), of_b = b.next(id(2));
    EXPECT_NE(of_a, of_b);
    b.saw(of_a);
    EXPECT_GT(b.next(id(2)), of_a);
  }
}

TEST(Election, AnEpochIsAboveAllThatWereSeen) {
  EpochCounter epochs;
  EXPECT_TRUE(epochs.saw(Epoch{70000}));
  EXPECT_TRUE(epochs.saw(Epoch{69999}));
  EXPECT_EQ(epochs.highest(), Epoch{70000});
  EXPECT_GT(epochs.next(id(0)), Epoch{70000});
}

TEST(Election, AnImplausibleEpochDoesNotExhaustTheCounter) {
  EpochCounter epochs;
  EXPECT_FALSE(epochs.saw(Epoch{UINT64_MAX}));
  EXPECT_EQ(epochs.highest(), Epoch{});
  EXPECT_EQ(epochs.next(id(1)).value >> 16, 1u);
}

}  // namespace
}  // namespace weft::mesh

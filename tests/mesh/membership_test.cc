#include "mesh/membership.h"

#include <gtest/gtest.h>

#include "mesh/limits.h"

namespace weft::mesh {
namespace {

constexpr uint64_t kFirstLife = 11, kSecondLife = 22;

NodeId id(uint8_t number) {
  NodeId node;
  node.bytes.fill(number);
  return node;
}

class MembershipTest : public ::testing::Test {
 protected:
  MembershipTest() {
    members_.set_roster({{id(1), "one"}, {id(2), "two"}, {id(3), "three"}}, now_);
  }

  bool beat(uint8_t number, uint64_t life = kFirstLife, bool leaving = false) {
    transport::Beat beat;
    beat.incarnation = life;
    beat.number = ++number_;
    beat.leaving = leaving;
    return members_.on_beat(id(number), beat, now_);
  }
  // In steps of 50 ms, as the node's timer would.
  void pass(Duration duration) {
    for (Duration done{}; done < duration; done += milliseconds(50)) {
      now_ = now_ + milliseconds(50);
      members_.tick(now_);
    }
  }
  MemberState state(uint8_t number) { return members_.find(id(number))->state; }
  // "+2" joined, "-2" died, in order.
  std::string changes() {
    std::string text;
    for (const MemberChange& change : members_.take_changes()) {
      text += change.joined ? '+' : '-';
      text += char('0' + change.node.bytes[0]);
    }
    return text;
  }

  Time now_{seconds(100).count()};
  Membership members_{id(1), "one", 7, now_};
  uint64_t number_ = 0;
};

TEST_F(MembershipTest, ThisNodeIsAMemberAndAlwaysAlive) {
  pass(seconds(10));
  EXPECT_TRUE(members_.is_alive(id(1)));
  EXPECT_EQ(members_.alive(), std::vector<NodeId>{id(1)});
  EXPECT_EQ(changes(), "");
}

TEST_F(MembershipTest, SilenceMakesSuspectAfterTwoSecondsAndDeadWithinThree) {
  beat(2);
  EXPECT_EQ(changes(), "+2");
  pass(milliseconds(1900));
  EXPECT_EQ(state(2), MemberState::kAlive);
  pass(milliseconds(200));
  EXPECT_EQ(state(2), MemberState::kSuspect);
  EXPECT_TRUE(members_.is_alive(id(2))) << "a suspect is still used";
  EXPECT_EQ(changes(), "");
  pass(milliseconds(850));
  EXPECT_EQ(state(2), MemberState::kDead);
  EXPECT_EQ(changes(), "-2");
}

TEST_F(MembershipTest, ALateBeatClearsASuspicion) {
  beat(2);
  pass(milliseconds(2500));
  beat(2);
  EXPECT_EQ(state(2), MemberState::kAlive);
  pass(milliseconds(2500));
  EXPECT_EQ(state(2), MemberState::kSuspect);
}

TEST_F(MembershipTest, ABrokenLinkIsDeathInASecondUnlessABeatComes) {
  beat(2);
  beat(3);
  members_.on_link_down(id(2), now_);
  members_.on_link_down(id(3), now_);
  EXPECT_EQ(state(2), MemberState::kSuspect);
  pass(milliseconds(500));
  beat(3);
  pass(milliseconds(550));
  EXPECT_EQ(state(2), MemberState::kDead);
  EXPECT_EQ(state(3), MemberState::kAlive);
}

TEST_F(MembershipTest, AGoodbyeIsDeathAtOnceAndLateWordsOfThatLifeCountForNothing) {
  beat(2);
  beat(2, kFirstLife, true);
  EXPECT_EQ(state(2), MemberState::kDead);
  EXPECT_FALSE(beat(2));
  EXPECT_FALSE(members_.on_hello(id(2), kFirstLife, now_));
  EXPECT_EQ(state(2), MemberState::kDead);
  EXPECT_EQ(changes(), "+2-2");
  EXPECT_TRUE(beat(2, kSecondLife));
  EXPECT_EQ(changes(), "+2");
}

TEST_F(MembershipTest, ARestartIsADeathAndAJoinEvenOfTwoNodesAtOnce) {
  beat(2);
  beat(3);
  changes();
  beat(2, kSecondLife);
  beat(3, kSecondLife);
  EXPECT_EQ(changes(), "-2+2-3+3");
  EXPECT_FALSE(beat(2, kFirstLife)) << "an overtaken beat of the old life";
  EXPECT_EQ(changes(), "");
  EXPECT_EQ(members_.members().size(), 3u) << "a restarted node stands in the table once";
}

TEST_F(MembershipTest, ARestartedNodesProfileIsForgotten) {
  transport::Profile profile;
  profile.incarnation = kFirstLife;
  members_.on_profile(id(2), profile, now_);
  EXPECT_TRUE(members_.find(id(2))->profile.has_value());
  beat(2, kSecondLife);
  EXPECT_FALSE(members_.find(id(2))->profile.has_value());
}

TEST_F(MembershipTest, ABeatThatComesTwiceOrOvertakenIsIgnored) {
  transport::Beat newer;
  newer.incarnation = kFirstLife;
  newer.number = 9;
  newer.queued_rows = 5;
  EXPECT_TRUE(members_.on_beat(id(2), newer, now_));
  EXPECT_FALSE(members_.on_beat(id(2), newer, now_));
  transport::Beat older = newer;
  older.number = 8;
  older.queued_rows = 1;
  EXPECT_FALSE(members_.on_beat(id(2), older, now_));
  EXPECT_EQ(members_.find(id(2))->beat.queued_rows, 5u);
}

TEST_F(MembershipTest, TheDeadAreForgottenAfterAMinute) {
  beat(2);
  pass(seconds(62));
  EXPECT_NE(members_.find(id(2)), nullptr);
  pass(seconds(2));
  EXPECT_EQ(members_.find(id(2)), nullptr);
}

TEST_F(MembershipTest, OneTakenForDeadThatBeatsAgainJoinsAgain) {
  beat(2);
  pass(seconds(5));
  beat(2);
  EXPECT_EQ(changes(), "+2-2+2");
}

TEST_F(MembershipTest, OneThatLeavesTheRosterDiesAtOnce) {
  beat(2);
  beat(3);
  changes();
  members_.set_roster({{id(1), "one"}, {id(3), "three"}}, now_);
  EXPECT_EQ(changes(), "-2");
  EXPECT_EQ(members_.find(id(2)), nullptr);
}

TEST_F(MembershipTest, ATimeAsleepIsNotHeldAgainstTheOthers) {
  beat(2);
  now_ = now_ + seconds(20);  // no tick: this process was stopped
  members_.tick(now_);
  EXPECT_EQ(state(2), MemberState::kAlive);
  pass(seconds(3));
  EXPECT_EQ(state(2), MemberState::kDead) << "but a silence while awake is";
}

TEST_F(MembershipTest, NamesAreMadePrintable) {
  members_.set_roster({{id(2), "a\x1b[31mb"}}, now_);
  EXPECT_EQ(members_.name(id(2)).find('\x1b'), std::string::npos);
  EXPECT_EQ(members_.name(id(9)), "09090909");
}

}  // namespace
}  // namespace weft::mesh

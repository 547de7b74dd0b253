// Membership: which members are here, as far as this node can tell.
//
// Every member beats once a second. Without a beat for kSuspectAfter a member is suspect (still
// used), for kDeadAfter it is dead. A broken link is a hint: suspect at once, dead unless it beats
// within kBrokenLinkDeadAfter. A leaving beat is death at once. An incarnation, drawn at each
// start, tells a restarted node from a slow one: its old self dies, its new self joins, and late
// messages of the old one count for nothing. The dead are shown for kForgetAfter and then
// forgotten. This node is a member like the others, and always alive.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "mesh/view.h"
#include "transport/message.h"

namespace weft::mesh {

struct Member {
  NodeId node;
  MemberState state = MemberState::kAlive;
  uint64_t incarnation = 0;
  std::array<uint64_t, 2> retired{};  // incarnations that have ended: the last two
  Time last_beat;                     // or other sign of life
  std::optional<Time> link_broken;    // since the last sign of life
  Time died;                          // if dead
  std::optional<transport::Profile> profile;
  transport::Beat beat;  // the last one

  bool alive() const { return state != MemberState::kDead; }
};

struct MemberChange {
  NodeId node;
  bool joined = false;  // false: died
  std::string why;      // "left", "no beat for 2.9 s", "restarted"
};

class Membership {
 public:
  Membership(NodeId self, std::string name, uint64_t incarnation, Time now);

  // Who is in the roster, with names. Those that no longer are die and are forgotten at once.
  void set_roster(const std::vector<std::pair<NodeId, std::string>>& roster, Time now);
  void on_link_up(NodeId node) { linked_.insert(node); }
  void on_link_down(NodeId node, Time now);
  // False: from an incarnation that has ended, to be ignored.
  bool on_hello(NodeId from, uint64_t incarnation, Time now);
  bool on_beat(NodeId from, const transport::Beat& beat, Time now);
  bool on_profile(NodeId from, const transport::Profile& profile, Time now);
  void tick(Time now);

  // What has changed since the last call, in order.
  std::vector<MemberChange> take_changes();

  NodeId self() const { return self_; }
  const std::map<NodeId, Member>& members() const { return members_; }
  const Member* find(NodeId node) const;  // null if unknown
  Member& self_member() { return members_.at(self_); }
  bool is_alive(NodeId node) const;
  bool is_linked(NodeId node) const { return linked_.contains(node); }
  const std::set<NodeId>& linked() const { return linked_; }
  std::vector<NodeId> alive() const;  // by id, this node among them
  // The roster's name, printable; the id's first digits if it has none.
  std::string name(NodeId node) const;

 private:
  Member* sign_of_life(NodeId from, uint64_t incarnation, Time now);
  void bury(Member& member, std::string why, Time now);

  NodeId self_;
  std::map<NodeId, std::string> names_;
  std::map<NodeId, Member> members_;
  std::set<NodeId> linked_;
  std::vector<MemberChange> changes_;
  Time last_tick_;
};

}  // namespace weft::mesh

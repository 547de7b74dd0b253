#include "mesh/membership.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "mesh/limits.h"

namespace weft::mesh {

std::string_view member_state_name(MemberState state) {
  switch (state) {
    case MemberState::kAlive:
      return "alive";
    case MemberState::kSuspect:
      return "suspect";
    case MemberState::kDead:
      return "dead";
  }
  return "dead";
}

Membership::Membership(NodeId self, std::string name, uint64_t incarnation, Time now)
    : self_(self), last_tick_(now) {
  names_[self] = printable(name, transport::kNameBytesMax);
  Member& member = members_[self];
  member.node = self;
  member.incarnation = incarnation;
  member.last_beat = now;
}

void Membership::set_roster(const std::vector<std::pair<NodeId, std::string>>& roster, Time now) {
  std::map<NodeId, std::string> names;
  names[self_] = names_[self_];
  for (const auto& [node, name] : roster) names[node] = printable(name, transport::kNameBytesMax);
  names_ = std::move(names);
  for (auto it = members_.begin(); it != members_.end();) {
    if (names_.contains(it->first)) {
      ++it;
      continue;
    }
    if (it->second.alive()) bury(it->second, "was removed from the mesh", now);
    it = members_.erase(it);
  }
}

void Membership::on_link_down(NodeId node, Time now) {
  linked_.erase(node);
  const auto it = members_.find(node);
  if (it == members_.end() || node == self_ || !it->second.alive()) return;
  it->second.state = MemberState::kSuspect;
  if (!it->second.link_broken) it->second.link_broken = now;
}

Member* Membership::sign_of_life(NodeId from, uint64_t incarnation, Time now) {
  if (from == self_) return nullptr;
  auto it = members_.find(from);
  if (it == members_.end()) {
    it = members_.emplace(from, Member{}).first;
    it->second.node = from;
    it->second.incarnation = incarnation;
    it->second.state = MemberState::kDead;  // until the common path below makes it join
  }
  Member& member = it->second;
  const auto& retired = member.retired;
  if (std::find(retired.begin(), retired.end(), incarnation) != retired.end()) return nullptr;
  if (member.incarnation != incarnation) {
    if (member.alive()) bury(member, "restarted", now);
    member.retired = {member.incarnation, member.retired[0]};
    member.incarnation = incarnation;
    member.profile.reset();
    member.beat = {};
  }
  member.last_beat = now;
  member.link_broken.reset();
  if (!member.alive()) changes_.push_back({from, true, "joined"});
  member.state = MemberState::kAlive;
  return &member;
}

bool Membership::on_hello(NodeId from, uint64_t incarnation, Time now) {
  return sign_of_life(from, incarnation, now) != nullptr;
}

bool Membership::on_beat(NodeId from, const transport::Beat& beat, Time now) {
  Member* known = members_.contains(from) ? &members_.at(from) : nullptr;
  if (known && known->incarnation == beat.incarnation && beat.number <= known->beat.number) {
    return false;  // a duplicate, or overtaken by a later one
  }
  if (beat.leaving && (!known || !known->alive())) return false;
  Member* member = sign_of_life(from, beat.incarnation, now);
  if (!member) return false;
  member->beat = beat;
  if (beat.leaving) {
    bury(*member, "left", now);
    member->retired = {member->incarnation, member->retired[0]};
  }
  return true;
}

bool Membership::on_profile(NodeId from, const transport::Profile& profile, Time now) {
  Member* member = sign_of_life(from, profile.incarnation, now);
  if (!member) return false;
  member->profile = profile;
  return true;
}

void Membership::tick(Time now) {
  // After a stop of this process (SIGSTOP, a laptop's lid) the beats sent meanwhile wait unread in
  // the network: the time asleep is not held against the others.
  const Duration gap = now - last_tick_;
  last_tick_ = now;
  for (auto it = members_.begin(); it != members_.end();) {
    Member& member = it->second;
    ++it;
    if (member.node == self_) {
      member.last_beat = now;
      continue;
    }
    if (!member.alive()) {
      if (now - member.died >= kForgetAfter) members_.erase(member.node);
      continue;
    }
    if (gap >= kBeatEvery) {
      member.last_beat = std::min(now, member.last_beat + gap);
      if (member.link_broken) member.link_broken = std::min(now, *member.link_broken + gap);
    }
    const Duration silence = now - member.last_beat;
    if (silence >= kDeadAfter) {
      bury(member, cat("no beat for ", to_seconds(kDeadAfter), " s"), now);
    } else if (member.link_broken && now - *member.link_broken >= kBrokenLinkDeadAfter) {
      bury(member, "its link broke and it did not come back", now);
    } else if (silence >= kSuspectAfter) {
      member.state = MemberState::kSuspect;
    }
  }
}

void Membership::bury(Member& member, std::string why, Time now) {
  member.state = MemberState::kDead;
  member.died = now;
  member.link_broken.reset();
  changes_.push_back({member.node, false, std::move(why)});
}

std::vector<MemberChange> Membership::take_changes() {
  return std::exchange(changes_, {});
}

const Member* Membership::find(NodeId node) const {
  const auto it = members_.find(node);
  return it == members_.end() ? nullptr : &it->second;
}

bool Membership::is_alive(NodeId node) const {
  const Member* member = find(node);
  return member && member->alive();
}

std::vector<NodeId> Membership::alive() const {
  std::vector<NodeId> nodes;
  for (const auto& [node, member] : members_) {
    if (member.alive()) nodes.push_back(node);
  }
  return nodes;
}

std::string Membership::name(NodeId node) const {
  const auto it = names_.find(node);
  return it == names_.end() || it->second.empty() ? short_string(node) : it->second;
}

}  // namespace weft::mesh

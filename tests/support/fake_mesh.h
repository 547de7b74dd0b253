// A mesh::View of three nodes, one of them suspect, one left out, with a hostile name among them.
#pragma once

#include "mesh/view.h"

namespace weft::test {

inline NodeId fake_id(uint8_t first) {
  NodeId id;
  id.bytes.fill(first);
  return id;
}

inline mesh::View fake_mesh() {
  constexpr uint64_t kGiB = 1ull << 30;
  mesh::View view;
  const char* names[] = {"laptop", "<script>alert(1)</script>", "old-phone"};
  for (uint8_t i = 0; i < 3; ++i) {
    mesh::NodeView node;
    node.node = fake_id(uint8_t(i + 1));
    node.name = names[i];
    node.state = i == 2 ? mesh::MemberState::kSuspect : mesh::MemberState::kAlive;
    node.self = i == 0;
    node.link_up = i < 2;
    node.has_profile = true;
    node.beat_age_s = 0.25 * i;
    node.profile.backend = "cpu avx2, 2 threads";
    node.profile.memory_bytes = (8 - 2 * uint64_t{i}) * kGiB;
    node.beat.open_sessions = i;
    node.beat.stage_sessions = 2;
    node.beat.decode_tokens_per_s = 12.5;
    for (uint8_t peer = 0; peer < 3; ++peer) {
      if (peer != i)
        node.beat.links.push_back({fake_id(uint8_t(peer + 1)), 0.0012 * (peer + 1), 9e7});
    }
    view.nodes.push_back(std::move(node));
  }
  view.self = view.coordinator = fake_id(1);
  view.highest_epoch = {7};
  view.has_plan = true;
  view.plan.epoch = {7};
  view.plan.model_name = "fake";
  view.plan.active = true;
  view.plan.progress = 1;
  view.plan.layer_count = 16;
  view.plan.context_length = 2048;
  view.plan.kv_tokens = 8192;
  view.plan.decode_tps = 21.5;
  view.plan.throughput_tps = 80;
  view.plan.prefill_tps = 140;
  view.plan.stages = {{fake_id(1), "laptop", 0, 10, 1, 0.02, 0.001, 2 * kGiB},
                      {fake_id(2), names[1], 10, 16, 1, 0.02, 0.002, kGiB}};
  view.plan.left_out = {{fake_id(3), "old-phone", "its link would make every token 31 ms slower"}};
  view.offers = {{ModelId{}, "fake", 3 * kGiB, 16, {fake_id(1)}}};
  view.sessions = {{SessionId{42}, 17, 5, 1.5}};
  return view;
}

}  // namespace weft::test

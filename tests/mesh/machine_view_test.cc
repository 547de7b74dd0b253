#include <gtest/gtest.h>

#include "mesh/limits.h"
#include "tests/mesh/harness.h"

namespace weft::mesh::test {
namespace {

TEST(MachineView, ShowsNodesPlanLayersAndStreams) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(6, number == 1));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  ASSERT_TRUE(mesh.open(2, make_request(12, 1000)).ok());
  mesh.run_for(milliseconds(100));
  const View view = mesh.view(2);
  EXPECT_EQ(view.self, node_id(2));
  EXPECT_EQ(view.coordinator, node_id(1));
  ASSERT_EQ(view.nodes.size(), 2u);
  EXPECT_EQ(view.nodes[0].name, "node1");
  EXPECT_EQ(view.nodes[0].profile.backend, "fake");
  EXPECT_TRUE(view.nodes[0].link_up);
  EXPECT_TRUE(view.nodes[1].self);
  ASSERT_TRUE(view.has_plan);
  EXPECT_EQ(view.plan.model_name, "tiny");
  ASSERT_EQ(view.plan.stages.size(), 2u);
  EXPECT_EQ(view.plan.stages[1].first_layer, 6u);
  EXPECT_EQ(view.plan.stages[1].progress, 1);
  ASSERT_EQ(view.sessions.size(), 1u);
  EXPECT_EQ(view.sessions[0].prompt_tokens, 12u);
  EXPECT_GT(view.sessions[0].completion_tokens, 0u);
  EXPECT_EQ(view.stage_sessions, 1u);
  ASSERT_EQ(view.offers.size(), 1u);
  EXPECT_EQ(view.offers[0].holders, std::vector<NodeId>{node_id(1)});
  EXPECT_EQ(view.problem, "");
}

TEST(MachineView, BeatsShowTheCacheOfAStreamThatHasEndedAsFree) {
  Mesh mesh;
  mesh.config.min_nodes = 2;
  for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(6, number == 1));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  const Result<SessionId> id = mesh.open(2, make_request(12, 200));
  ASSERT_TRUE(id.ok());
  mesh.run_for(kBeatEvery + milliseconds(100));
  const uint32_t whole = mesh.at(1).compute.kv_capacity;
  for (const NodeView& node : mesh.view(1).nodes) EXPECT_LT(node.beat.kv_free_tokens, whole);
  ASSERT_TRUE(mesh.run_until([&] { return mesh.stream(2, *id).result.has_value(); }));
  mesh.run_for(kBeatEvery + milliseconds(100));  // and nothing is computed
  for (const NodeView& node : mesh.view(1).nodes) EXPECT_EQ(node.beat.kv_free_tokens, whole);
}

TEST(MachineView, AsksThePlannerAboutAModelThatNobodyHas) {
  Mesh mesh;
  mesh.config.kv_tokens = 512;
  for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(6, number == 1));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  transport::ModelOffer larger = make_offer(9, "larger");
  larger.layers.resize(7, {1000, 1000, 0});
  const partition::PlanRequest question = mesh.machine(2).plan_question(larger);
  EXPECT_EQ(question.nodes.size(), 2u);
  EXPECT_EQ(question.model.layers.size(), 7u);
  EXPECT_EQ(question.model.kv_tokens, 512u);
  EXPECT_TRUE(mesh.all_active()) << "a question changes nothing";
}

TEST(MachineView, TheCoordinatorKnowsThePlannersReasons) {
  Mesh mesh;
  mesh.config.plan = [](const partition::PlanRequest& request) {
    Result<partition::Plan> plan = fake_plan(request);
    if (plan.ok() && request.nodes.size() == 2) {
      plan->left_out.push_back({request.nodes[1].node, "would make it slower", 1});
    }
    return plan;
  };
  for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(kLayers, number == 1));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.all_active(); }));
  mesh.run_for(seconds(10));
  const PlanView plan = mesh.view(1).plan;
  ASSERT_EQ(plan.left_out.size(), 1u);
  EXPECT_EQ(plan.left_out[0].name, "node2");
  EXPECT_EQ(plan.left_out[0].reason, "would make it slower");
  EXPECT_GT(plan.stages[0].decode_s, 0);
  EXPECT_GT(plan.throughput_tps, 0);
}

TEST(MachineView, LoadingIsShownOnEveryNodeWithItsProgress) {
  Mesh mesh;
  mesh.load_time = seconds(20);
  for (const uint8_t number : {1, 2}) mesh.start(number, make_profile(kLayers, number == 1));
  ASSERT_TRUE(mesh.run_until([&] { return mesh.view(2).has_plan; }));
  mesh.with(1, [&](Machine& machine) {
    machine.on_load_progress(mesh.view(1).plan.epoch, 0.43f, mesh.now);
  });
  mesh.run_for(milliseconds(10));
  EXPECT_FALSE(mesh.view(2).plan.active);
  EXPECT_NEAR(mesh.view(2).plan.progress, 0.43, 0.01);
  // A request waits for a while and is then told how far it is.
  const Stream early = mesh.ask(2, make_request(1, 1));
  ASSERT_FALSE(early.result->ok());
  EXPECT_NE(early.result->error().message.find("43 %"), std::string::npos)
      << early.result->error().message;
  EXPECT_NEAR(to_seconds(early.ended - early.opened), to_seconds(kPlanWait), 0.1);
}

TEST(MachineView, MemberStatesHaveNames) {
  EXPECT_EQ(member_state_name(MemberState::kAlive), "alive");
  EXPECT_EQ(member_state_name(MemberState::kSuspect), "suspect");
  EXPECT_EQ(member_state_name(MemberState::kDead), "dead");
}

}  // namespace
}  // namespace weft::mesh::test
